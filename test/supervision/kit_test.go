package supervision_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

var errFailed = errors.New("failed")

// startOfDay is what every bubble sleeps first, so that no clock begins at zero.
const startOfDay = 73*time.Hour + 11*time.Minute + 17*time.Nanosecond

// bubble runs a test in virtual time, long after its beginning.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(startOfDay)
		test(t)
	})
}

// A journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(what, who string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, what+" "+who)
}

// take returns what has happened since the last call.
func (j *journal) take() string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	all := strings.Join(j.lines, ", ")
	j.lines = nil
	return all
}

// A worker is a child that can be made to end, and notes what it does.
type worker struct {
	name    string
	journal *journal
	deaths  chan func() error

	mu     sync.Mutex
	fails  int          // so many next starts fail
	onStop func() error // nil: returns nil
	causes []error      // of the ends of its contexts
	onInit func(context.Context) error
}

func newWorker(j *journal, name string) *worker {
	return &worker{name: name, journal: j, deaths: make(chan func() error)}
}

func (w *worker) Init(ctx context.Context) error {
	w.mu.Lock()
	init := w.onInit
	failing := w.fails > 0
	if failing {
		w.fails--
	}
	w.mu.Unlock()
	if init != nil {
		if err := init(ctx); err != nil {
			return err
		}
	}
	if failing {
		w.journal.note("fail", w.name)
		return errFailed
	}
	w.journal.note("start", w.name)
	return nil
}

func (w *worker) Serve(ctx context.Context) error {
	select {
	case die := <-w.deaths:
		w.journal.note("die", w.name)
		return die()
	case <-ctx.Done():
	}
	w.journal.note("stop", w.name)
	w.mu.Lock()
	w.causes = append(w.causes, context.Cause(ctx))
	stop := w.onStop
	w.mu.Unlock()
	if stop == nil {
		return nil
	}
	return stop()
}

// kill makes the worker, which runs, end like that.
func (w *worker) kill(how func() error) {
	w.deaths <- how
	synctest.Wait()
}

func (w *worker) takeCauses() []error {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.causes
	w.causes = nil
	return c
}

func fail() error                { return errFailed }
func normal() error              { return nil }
func panics() error              { panic("thrown") }
func exits() error               { runtime.Goexit(); return nil }
func child(w *worker) dray.Child { return dray.Child{Name: w.name, Service: w} }

// A run is a supervisor that is served.
type run struct {
	*dray.Supervisor
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
}

func serve(t *testing.T, s *dray.Supervisor) *run {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{Supervisor: s, t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- s.Serve(ctx) }()
	synctest.Wait()
	return r
}

func supervise(t *testing.T, strategy dray.Strategy, opts ...dray.SupervisorOption) *run {
	t.Helper()
	s, err := dray.NewSupervisor(strategy, opts...)
	require.NoError(t, err)
	return serve(t, s)
}

// stop ends Serve, within 100 hours, and returns what it returned.
func (r *run) stop() error {
	r.t.Helper()
	r.cancel()
	return r.end(100 * time.Hour)
}

// end returns what Serve returned, which it has to do within that time.
func (r *run) end(within time.Duration) error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(within):
		require.FailNow(r.t, "Serve has not returned")
		return nil
	}
}

func (r *run) requireRunning() {
	r.t.Helper()
	synctest.Wait()
	select {
	case err := <-r.ended:
		require.Fail(r.t, "the supervisor has ended", "%v", err)
	default:
	}
}

func (r *run) states() string {
	synctest.Wait()
	var all []string
	for _, c := range r.Children() {
		all = append(all, c.Name+" "+c.State.String())
	}
	return strings.Join(all, ", ")
}
