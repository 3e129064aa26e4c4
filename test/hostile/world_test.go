package hostile_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// The misbehaviours. A piece of user code that is hostile does one of them the first
// time that it is called, and then what it should.
const (
	panics       = "panics with a value"
	panicsError  = "panics with an error that panics"
	panicsNil    = "panics with nil"
	exits        = "ends its goroutine"
	blocks       = "blocks for ever"
	takesAnHour  = "takes an hour"
	callsBack    = "calls dray"
	closesItself = "closes the queue"
	leavesLabels = "leaves pprof labels behind"
)

var misbehaviours = []string{panics, panicsError, panicsNil, exits, blocks, takesAnHour, callsBack, closesItself, leavesLabels}

func throws(how string) bool { return how == panics || how == panicsError || how == panicsNil }

// A world is a queue with one hostile piece of user code in it, and innocents beside it.
type world struct {
	t       *testing.T
	how     string
	gate    chan struct{}              // closed at the end: what blocks for ever goes on then
	q       *dray.Queue                // of the test's goroutine
	made    atomic.Pointer[dray.Queue] // the same, for hostile code, which runs during New as well
	sup     *dray.Supervisor           // with an innocent child; nil unless a row asks for it
	release func()
	asked   atomic.Bool // the hostile code was called

	mu       sync.Mutex
	events   map[string]bool // the types of those that an innocent observer got
	records  int             // of an innocent log handler
	innocent map[string]int
	looks    map[look]int // for labels
	stacks   []string     // of goroutines left
}

// act is the body of a hostile function.
func (w *world) act() {
	w.requireNotLabelled("the hostile code", callers) // it may meet what it has left itself
	if w.asked.Swap(true) {
		return
	}
	switch w.how {
	case panics:
		panic("boom")
	case panicsError:
		boom := func() { panic("boom") }
		panic(&methods{error: boom, unwrap: boom, as: boom, is: boom})
	case panicsNil:
		panic(nil)
	case exits:
		runtime.Goexit()
	case blocks:
		<-w.gate
	case takesAnHour:
		time.Sleep(time.Hour)
	case callsBack:
		w.callBack()
	case closesItself:
		_ = w.made.Load().Close()
	case leavesLabels:
		w.requireNotLabelled("the hostile code at first", "")
		label(leftBehind)
	}
}

// callBack calls every method of dray that user code can reach.
func (w *world) callBack() {
	q, ctx := w.made.Load(), context.Background()
	if q == nil {
		return // during New
	}
	_ = q.Stats()
	_ = q.String()
	for range q.Jobs() {
	}
	_ = q.Failures()
	_ = q.Children()
	_ = q.Enqueue(ctx, w.count("enqueued by the hostile"))
	_, _ = q.EnqueueSync(ctx, w.count("enqueued by the hostile"))
	_, _ = q.EnqueueBatch(ctx, []dray.Func{w.count("enqueued by the hostile")})
	_ = q.Cancel(1 << 40)
	_ = q.CancelKey("none")
	_ = q.Pause()
	_ = q.Resume()
	_ = q.Resize(4)
	_ = q.Requeue(1 << 40)
	s := q.Scheduler()
	_ = s.Tasks()
	_ = s.RunNow("innocent")
	_, _ = s.Preview("innocent", 3)
	_ = s.Pause("none")
	_ = s.Schedule("scheduled by the hostile", dray.Every(time.Hour), w.count("scheduled by the hostile"))
	_ = s.Unschedule("scheduled by the hostile")
	if g, err := dray.NewGroup(q); err == nil {
		g.Close()
		g.Cancel()
	}
	if w.sup != nil {
		_ = w.sup.Children()
		_ = w.sup.Terminate("none")
	}
}

// count returns a job that is counted.
func (w *world) count(what string) dray.Func {
	return func(context.Context) error { w.requireNotLabelled(what, ""); w.seen(what); return nil }
}

func (w *world) seen(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.innocent[what]++
}

func (w *world) times(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.innocent[what]
}

func (w *world) observe(ev dray.Event) {
	w.requireNotLabelled("observer", "")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[ev.Kind.String()] = true
}

// A recorder is an innocent log handler.
type recorder struct{ w *world }

func (recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r recorder) Handle(_ context.Context, rec slog.Record) error {
	r.w.requireNotLabelled("log handler", "")
	rec.Attrs(func(a slog.Attr) bool { _ = a.Value.Resolve().String(); return true })
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.records++
	return nil
}
func (r recorder) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r recorder) WithGroup(string) slog.Handler      { return r }

// A watchedSchedule is an innocent one of a user.
type watchedSchedule struct{ w *world }

func (s watchedSchedule) Next(after time.Time) time.Time {
	s.w.requireNotLabelled("Next", "")
	return after.Truncate(time.Minute).Add(time.Minute) // whenever a hostile one is due
}

func (s watchedSchedule) String() string {
	s.w.requireNotLabelled("String", "")
	return "watched"
}

// A row is one place where user code comes in.
type row struct {
	options func(w *world) []dray.Option // of the queue
	logs    bool                         // the row brings a log handler of its own
	call    func(w *world) error         // lets the code in; on a goroutine of its own
	want    func(how string) want
	rare    bool // the code need not be called
}

// want is what has to come of it.
type want struct {
	call     string // what the caller gets: nil, PanicError, Goexit, blocks, exits, another error
	job      string // failed, processed, running, none
	event    string // that observers get
	shutdown string // nil, or what the error is
	left     int    // goroutines that stay until the code returns
}

// play is one row with one misbehaviour.
func play(t *testing.T, r row, how string) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(73*time.Hour + 11*time.Minute + 7*time.Millisecond)
		w := &world{t: t, how: how, gate: make(chan struct{}), events: map[string]bool{}, innocent: map[string]int{}}
		w.release = sync.OnceFunc(func() { close(w.gate) })
		defer w.release()
		if how == leavesLabels {
			label(callers)
			defer pprof.SetGoroutineLabels(bg)
		}
		w.build(r)
		defer func() { _ = w.q.Close() }() // should this fail
		got := w.live(r)
		if how != closesItself {
			w.requireInnocents(t)
		}
		w.end(&got)
		if !w.asked.Load() {
			require.True(t, r.rare, "the code was not called")
			how = "nothing"
		}
		if how == closesItself { // what the others get then depends on how far they were
			require.Zero(t, got.left, "%s", w.stacks)
		} else {
			require.Equal(t, r.want(how), got, "%s", w.stacks)
		}
		w.release()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Zero(t, w.goroutines(), "goroutines left")
	})
}

func (w *world) build(r row) {
	opts := []dray.Option{
		dray.WithWorkers(3), dray.WithObserver(w.observe), dray.WithShutdownTimeout(time.Second),
		dray.WithPeriodic("innocent", dray.Every(10*time.Minute), w.count("run")),
	}
	if !r.logs {
		opts = append(opts, dray.WithLogger(slog.New(recorder{w})))
	}
	if r.options != nil {
		opts = append(opts, r.options(w)...)
	}
	if w.how == leavesLabels {
		opts = append(opts, dray.WithPeriodic("watched", watchedSchedule{w}, w.count("watched run")))
	}
	q, err := dray.New(opts...)
	require.NoError(w.t, err)
	w.q = q
	w.made.Store(q)
	require.NoError(w.t, q.Start())
}

// live lets the hostile code in, and three hours pass, in which innocent jobs run.
func (w *world) live(r row) want {
	said := make(chan string, 1)
	go func() {
		text := "exits"
		defer func() { said <- text }()
		err := r.call(w)
		text = describe(err)
	}()
	for range 3 {
		time.Sleep(time.Hour + time.Second)
		_ = w.q.Enqueue(context.Background(), w.count("job"))
		_, _ = w.q.EnqueueSync(context.Background(), w.count("job"), dray.WithPriority(dray.High), dray.WithKey("k"))
	}
	if w.how == leavesLabels {
		_ = w.q.Scheduler().Tasks()
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	select {
	case text := <-said:
		return want{call: text}
	default:
		return want{call: "blocks"}
	}
}

func describe(err error) string {
	var p *dray.PanicError
	switch {
	case err == nil:
		return "nil"
	case errors.As(err, &p):
		return "PanicError"
	case errors.Is(err, dray.ErrGoexit):
		return "Goexit"
	case errors.Is(err, dray.ErrStillRunning):
		return "ErrStillRunning"
	case errors.Is(err, dray.ErrAbandoned):
		return "ErrAbandoned"
	case errors.Is(err, dray.ErrShutdown):
		return "ErrShutdown"
	}
	return "error"
}

// requireInnocents asserts that what stood beside the hostile code did not notice.
func (w *world) requireInnocents(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(t, 6, w.innocent["job"], "innocent jobs")
	require.GreaterOrEqual(t, w.innocent["run"], 18, "runs of the innocent task")
	require.True(t, w.events["JobProcessed"] && w.events["TaskEnded"], "events")
	for _, c := range w.q.Children() {
		require.Equal(t, dray.ChildRunning, c.State, c.Name)
		require.Zero(t, c.Restarts, c.Name)
	}
}

// end shuts down and takes note of what came of it.
func (w *world) end(got *want) {
	s := w.q.Stats()
	require.Equal(w.t, s.Enqueued, s.Processed+s.Failed+s.Cancelled+s.Evicted+uint64(s.Pending+s.Delayed+s.Retrying+s.Running)) //nolint:gosec // not negative
	require.Zero(w.t, s.Restarts)
	switch {
	case s.Failed > 0:
		got.job = "failed"
	case s.Running > 0:
		got.job = "running"
	case s.Pending > 0:
		got.job = "pending"
	default:
		got.job = "fine"
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := w.q.Shutdown(ctx)
	require.LessOrEqual(w.t, time.Since(began), time.Minute+5*time.Second)
	got.shutdown = describe(err)
	if w.how != closesItself { // else it is the queue's own job that closed it
		require.Equal(w.t, got.shutdown == "ErrStillRunning", len(report.Abandoned) > 0)
	}
	synctest.Wait()
	got.left = w.goroutines()
	w.mu.Lock()
	defer w.mu.Unlock()
	events := slices.Sorted(maps.Keys(w.events))
	for _, e := range []string{"JobStuck", "JobFailed", "RateLimitFailed", "ChildFailed"} {
		if slices.Contains(events, e) {
			got.event = e
			break
		}
	}
}

// goroutines counts those of this bubble that are not the test's own.
func (w *world) goroutines() (n int) {
	w.stacks = nil
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	own, _, _ := strings.Cut(string(buf), "\n")
	_, bubble, _ := strings.Cut(own, "synctest bubble ")
	bubble = "synctest bubble " + strings.TrimSuffix(strings.TrimSpace(bubble), "]:")
	for i, g := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if i > 0 && strings.Contains(head, bubble+"]") && !strings.Contains(head, "[synctest.Run") && !strings.Contains(g, "created by testing/synctest.Test ") {
			n++
			w.stacks = append(w.stacks, g)
		}
	}
	return n
}
