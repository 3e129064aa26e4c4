package stalls

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray"
)

// workers are enough to be seen going on, and few enough that the jobs that wait
// still do at the end of a run.
const workers = 8

// A scenario is a call that concerns many jobs.
type scenario struct {
	name string
	// prepare makes a queue in which n jobs wait for the call. Those that are to come
	// due or expire do so after the margin.
	prepare func(n int, margin time.Duration) *state
	atTime  bool // whether they do
}

// margin is about how long it takes to enqueue n jobs.
func (s scenario) margin(n int) time.Duration {
	if !s.atTime {
		return 0
	}
	return 50*time.Millisecond + time.Duration(n)*4*time.Microsecond
}

// A state is a queue that is ready for a call.
type state struct {
	queue   *dray.Queue
	call    func()
	due     time.Time    // when the jobs come due or expire; zero where they do not
	ended   atomic.Int64 // jobs, added to by the jobs
	garbage []byte       // of the control; written by the goroutine that measures
}

func newState(opts ...dray.Option) *state {
	q, err := dray.New(append([]dray.Option{dray.WithWorkers(workers), dray.WithCapacity(dray.Unbounded)}, opts...)...)
	must(err)
	must(q.Start())
	return &state{queue: q}
}

// job leaves the processor to others for a millisecond.
func (s *state) job(context.Context) error {
	pause(time.Millisecond)
	s.ended.Add(1)
	return nil
}

// fill enqueues n jobs with the options.
func (s *state) fill(n int, opts ...dray.JobOption) {
	for range n {
		must(s.queue.Enqueue(context.Background(), s.job, opts...))
	}
}

// enqueue is what is held up: a plain job. A queue that closes refuses it.
func (s *state) enqueue() {
	if err := s.queue.Enqueue(context.Background(), s.job); !errors.Is(err, dray.ErrClosed) {
		must(err)
	}
}

// late reports whether the moment for the call has passed.
func (s *state) late() bool { return !s.due.IsZero() && time.Now().After(s.due) }

// ready waits for the moment.
func (s *state) ready() {
	if !s.due.IsZero() {
		pause(time.Until(s.due) - time.Millisecond)
	}
}

// await waits until the queue has come to that, by looking at it now and then.
func (s *state) await(reached func(dray.Stats) bool) {
	for !reached(s.queue.Stats()) {
		pause(500 * time.Microsecond)
	}
}

func (s *state) end() { _ = s.queue.Close() } // the jobs that wait are not needed any more

// simple is a scenario of jobs with the same options.
func simple(name string, call func(*state), opts ...dray.JobOption) scenario {
	return scenario{name: name, prepare: func(n int, _ time.Duration) *state {
		s := newState()
		s.fill(n, opts...)
		s.call = func() { call(s) }
		return s
	}}
}

func scenarios() []scenario {
	return []scenario{
		simple("Jobs, to the end", func(s *state) {
			for range s.queue.Jobs() {
			}
		}),
		simple("CancelKey, of all", func(s *state) { s.queue.CancelKey("key") }, dray.WithKey("key")),
		{name: "CancelKind, of all", prepare: prepareCancelKind},
		{name: "Group.Cancel, of all", prepare: prepareCancelGroup},
		{name: "RequeueAll", prepare: prepareRequeue},
		{name: "EnqueueBatch", prepare: prepareBatch},
		{name: "Stats, behind an observed batch", prepare: prepareObserved},
		{name: "missed runs of tasks", prepare: prepareMissed},
		{name: "Resume", prepare: prepareResume},
		{name: "Resume, paused kind in front", prepare: preparePausedKind},
		{name: "Resume, no tokens in front", prepare: prepareNoTokens},
		{name: "due at one moment", prepare: prepareDue, atTime: true},
		{name: "expired at one moment", prepare: prepareExpired, atTime: true},
		simple("Close and its report", func(s *state) { _ = s.queue.Close() }),
	}
}

// kindOf registers a kind whose payload is not used.
func (s *state) kindOf() *dray.Kind[int] {
	k, err := dray.Handle(s.queue, "kind", func(ctx context.Context, _ int) error { return s.job(ctx) })
	must(err)
	return k
}

func prepareCancelKind(n int, _ time.Duration) *state {
	s := newState()
	k := s.kindOf()
	for i := range n {
		must(k.Enqueue(context.Background(), i))
	}
	s.call = func() { s.queue.CancelKind("kind") }
	return s
}

func prepareCancelGroup(n int, _ time.Duration) *state {
	s := newState()
	g, err := dray.NewGroup(s.queue)
	must(err)
	s.fill(n, dray.WithGroup(g))
	s.call = func() { g.Cancel() }
	return s
}

// prepareRequeue has n jobs fail, which go well the second time.
func prepareRequeue(n int, _ time.Duration) *state {
	s := newState(dray.WithFailuresKept(n))
	failure, failing := errors.New("bench"), new(atomic.Bool)
	failing.Store(true)
	for range n {
		must(s.queue.Enqueue(context.Background(), func(ctx context.Context) error {
			if failing.Load() {
				return failure
			}
			return s.job(ctx)
		}))
	}
	s.await(func(st dray.Stats) bool { return st.Failed == uint64(n) })
	failing.Store(false)
	s.call = func() {
		_, err := s.queue.RequeueAll()
		must(err)
	}
	return s
}

func prepareBatch(n int, _ time.Duration) *state { return newState().withBatch(n) }

// withBatch makes a batch of n jobs the call.
func (s *state) withBatch(n int) *state {
	fns := make([]dray.Func, n)
	for i := range fns {
		fns[i] = s.job
	}
	s.call = func() {
		_, err := s.queue.EnqueueBatch(context.Background(), fns)
		must(err)
	}
	return s
}

// prepareObserved's call looks at the books behind a batch, of each job of which an observer
// is told.
func prepareObserved(n int, _ time.Duration) *state {
	s := newState(dray.WithObserver(func(dray.Event) {}, dray.JobEnqueued)).withBatch(n)
	batch := s.call
	s.call = func() {
		batch()
		s.queue.Stats()
	}
	return s
}

// tasks share the missed runs, of which one task cannot have a million.
const tasks = 100

// prepareMissed's call lasts until all runs that the tasks have missed are jobs.
func prepareMissed(n int, _ time.Duration) *state {
	s := newState()
	of := min(tasks, n)
	last := time.Now().Add(-time.Duration(n/of) * time.Hour)
	s.call = func() {
		for i := range of {
			must(s.queue.Scheduler().Schedule(strconv.Itoa(i), dray.Every(time.Hour), s.job, dray.WithLastRun(last),
				dray.WithMissed(dray.RunAll(n/of)), dray.WithOverlap(dray.AllowOverlap)))
		}
		s.await(func(st dray.Stats) bool { return st.Enqueued >= uint64(n/of*of) })
	}
	return s
}

func prepareResume(n int, _ time.Duration) *state {
	s := newState()
	must(s.queue.Pause())
	s.fill(n)
	s.call = func() { must(s.queue.Resume()) }
	return s
}

// preparePausedKind's call lasts until a job has run that stands behind n of a paused kind.
func preparePausedKind(n int, _ time.Duration) *state {
	s := newState()
	must(s.queue.Pause())
	k := s.kindOf()
	must(s.queue.PauseKind("kind"))
	for i := range n {
		must(k.Enqueue(context.Background(), i))
	}
	return s.withJobBehind()
}

// prepareNoTokens's call lasts until a job has run that stands behind n for which there is no token.
func prepareNoTokens(n int, _ time.Duration) *state {
	s := newState()
	must(s.queue.Pause())
	s.fill(n, dray.WithRateLimit(noTokens{}))
	return s.withJobBehind()
}

// noTokens is a limiter that has none before it is given up.
type noTokens struct{}

func (noTokens) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// withJobBehind makes it the call that a paused queue goes on until a plain job has run.
func (s *state) withJobBehind() *state {
	done := make(chan struct{})
	must(s.queue.Enqueue(context.Background(), func(context.Context) error { close(done); return nil }))
	s.call = func() {
		must(s.queue.Resume())
		<-done
	}
	return s
}

// prepareDue's call lasts until none of the jobs is delayed.
func prepareDue(n int, margin time.Duration) *state {
	s := newState()
	s.due = time.Now().Add(margin)
	s.fill(n, dray.WithRunAt(s.due))
	s.call = func() { s.await(func(st dray.Stats) bool { return st.Delayed == 0 }) }
	return s
}

// prepareExpired's call lasts until all have failed. Their kind is paused, so that
// workers are free for others.
func prepareExpired(n int, margin time.Duration) *state {
	s := newState()
	k := s.kindOf()
	must(s.queue.PauseKind("kind"))
	s.due = time.Now().Add(margin)
	for i := range n {
		must(k.Enqueue(context.Background(), i, dray.WithDeadline(max(time.Until(s.due), 1))))
	}
	s.call = func() { s.await(func(st dray.Stats) bool { return st.Failed == uint64(n) }) }
	return s
}
