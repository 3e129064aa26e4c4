package supervision_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

var errBoom = errors.New("boom")

// The ways in which a child can end by itself.
var ends = map[string]func() error{
	"nil":        func() error { return nil },
	"error":      func() error { return errBoom },
	"panic":      func() error { panic("boom") },
	"panic(nil)": func() error { panic(nil) }, //nolint:gopanicnil // on purpose
	"Goexit":     func() error { runtime.Goexit(); return nil },
}

// A tester is a *testing.T, or one of rapid.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
	Failed() bool
	Logf(format string, args ...any)
}

// A stage is a supervisor with actors as children, and a record of what they do.
// It lives in a synctest bubble.
type stage struct {
	t      tester
	sup    *dray.Supervisor
	cancel context.CancelFunc
	ended  chan error    // what Serve returned
	over   chan struct{} // closed when Serve has returned

	mu     sync.Mutex
	record []string
	actors map[string]*actor
}

// newStage makes a supervisor of the named actors, which is not running yet. A
// name may be followed by letters: t transient, T temporary, s significant.
func newStage(t tester, strategy dray.Strategy, cast string, opts ...dray.SupervisorOption) *stage {
	t.Helper()
	s := &stage{t: t, actors: make(map[string]*actor), ended: make(chan error, 1)}
	var children []dray.Child
	for name := range strings.FieldsSeq(cast) {
		children = append(children, s.child(name))
	}
	var err error
	s.sup, err = dray.NewSupervisor(strategy, append(opts, dray.WithChildren(children...))...)
	require.NoError(t, err)
	return s
}

// perform runs the act with a supervisor that has started. Whatever the act has
// left is stopped, and the bubble makes sure that nothing remains.
func perform(t *testing.T, strategy dray.Strategy, cast string, act func(*testing.T, *stage), opts ...dray.SupervisorOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, strategy, cast, opts...)
		s.start()
		defer func() { // also when act fails: time stands still once this goroutine has ended
			s.cancel()
			<-s.over
			time.Sleep(24 * time.Hour) // abandoned actors come to their end
		}()
		s.takeRecord()
		act(t, s)
	})
}

func (s *stage) start() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.cancel = cancel
	over := make(chan struct{})
	s.over = over
	go func() {
		defer close(over)
		s.ended <- s.sup.Serve(ctx)
	}()
	synctest.Wait()
}

// child makes an actor and describes it.
func (s *stage) child(spec string) dray.Child {
	name, letters, _ := strings.Cut(spec, "/")
	a := &actor{stage: s, name: name, cues: make(chan func() error)}
	s.actors[name] = a
	c := dray.Child{Name: name, Service: a, Significant: strings.Contains(letters, "s")}
	switch {
	case strings.Contains(letters, "t"):
		c.Restart = dray.Transient
	case strings.Contains(letters, "T"):
		c.Restart = dray.Temporary
	}
	return c
}

func (s *stage) note(what, who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = append(s.record, what+" "+who)
}

// takeRecord returns what has happened since the last call.
func (s *stage) takeRecord() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := strings.Join(s.record, ", ")
	s.record = nil
	return r
}

func (s *stage) requireRecord(want string) {
	s.t.Helper()
	require.Equal(s.t, want, s.takeRecord())
}

// kill makes a running actor end in the given way, the empty one being "error",
// and waits until nothing more happens.
func (s *stage) kill(name, how string) {
	s.cue(name, how)
	synctest.Wait()
}

// cue is kill without the wait.
func (s *stage) cue(name, how string) {
	if how == "" {
		how = "error"
	}
	s.actors[name].cues <- ends[how]
}

// direct changes how an actor behaves from its next act on.
func (s *stage) direct(name string, change func(*actor)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.actors[name])
}

func (s *stage) info(name string) dray.ChildInfo {
	s.t.Helper()
	infos := s.sup.Children()
	i := slices.IndexFunc(infos, func(c dray.ChildInfo) bool { return c.Name == name })
	require.GreaterOrEqual(s.t, i, 0, "no child %q", name)
	return infos[i]
}

func (s *stage) requireState(name string, want dray.ChildState) {
	s.t.Helper()
	require.Equal(s.t, want, s.info(name).State, "state of %q", name)
}

// cast returns the names and states of all children.
func (s *stage) cast() string {
	var all []string
	for _, c := range s.sup.Children() {
		all = append(all, c.Name+" "+c.State.String())
	}
	return strings.Join(all, ", ")
}

// requireRunning: Serve has not returned.
func (s *stage) requireRunning() {
	s.t.Helper()
	synctest.Wait()
	select {
	case err := <-s.ended:
		require.Fail(s.t, "the supervisor has ended", "%v", err)
	default:
	}
}

// requireEnded returns what Serve returned, which it must have done by now.
func (s *stage) requireEnded() error {
	s.t.Helper()
	synctest.Wait()
	select {
	case err := <-s.ended:
		return err
	default:
		require.Fail(s.t, "the supervisor has not ended")
		return nil
	}
}

// close stops the supervisor and returns what Serve returned.
func (s *stage) close() error {
	s.cancel()
	return <-s.ended
}

// promptly requires that a call returns without time passing.
func (s *stage) promptly(call func() error) error {
	s.t.Helper()
	returned := make(chan error, 1)
	go func() { returned <- call() }()
	synctest.Wait()
	select {
	case err := <-returned:
		return err
	default:
		require.Fail(s.t, "the call hangs")
		return nil
	}
}

// later makes a call that is expected to take a while.
func (s *stage) later(call func() error) <-chan error {
	returned := make(chan error, 1)
	go func() { returned <- call() }()
	synctest.Wait()
	require.Empty(s.t, returned, "the call did not wait")
	return returned
}

// An actor is a service that records what it does and can be told to end.
type actor struct {
	stage *stage
	name  string
	cues  chan func() error

	// Guarded by stage.mu.
	init func(ctx context.Context) error // nil: succeeds at once
	stop func() error                    // nil: ends at once when its context does
}

// Init records the start, because starts are in order only up to here.
func (a *actor) Init(ctx context.Context) error {
	a.stage.mu.Lock()
	init := a.init
	a.stage.mu.Unlock()
	if init != nil {
		if err := init(ctx); err != nil {
			a.stage.note("fail", a.name)
			return err
		}
	}
	a.stage.note("start", a.name)
	return nil
}

func (a *actor) Serve(ctx context.Context) error {
	select {
	case cue := <-a.cues:
		a.stage.note("die", a.name)
		return cue()
	case <-ctx.Done():
		if cause := context.Cause(ctx); cause != dray.ErrRestart { //nolint:errorlint // exactly one of the two
			require.Equal(a.stage.t, dray.ErrShutdown, cause)
		}
		a.stage.note("stop", a.name)
	}
	a.stage.mu.Lock()
	stop := a.stop
	a.stage.mu.Unlock()
	if stop != nil {
		return stop()
	}
	return ctx.Err()
}

// serving is a service that needs no context.
func serving(f func() error) dray.Service {
	return dray.ServiceFunc(func(context.Context) error { return f() })
}

// failing is an init that fails that many times.
func failing(times int) func(context.Context) error {
	return func(context.Context) error {
		if times == 0 {
			return nil
		}
		times--
		return errBoom
	}
}

// blocking is an init that waits for its release, or for its end.
func blocking(release <-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// restarts returns how many restarts the failures of the children that there are have led
// to, since the last Serve.
func restarts(s *dray.Supervisor) (n uint64) {
	for _, c := range s.Children() {
		n += c.Restarts
	}
	return n
}
