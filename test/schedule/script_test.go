package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A script does with some periodic tasks whatever can be done with them, and adds up
// what must have come due.
type script struct {
	*testing.T
	*rand.Rand
	q      *dray.Queue
	tasks  map[string]*scripted
	served func() error // ends Serve, and waits for it; nil while the queue is not served
	closed bool         // by the end of a Serve

	mu      sync.Mutex
	fired   map[dray.ID]string  // by TaskFired: which run it is
	runs    map[string]int      // how often that came
	ended   map[dray.ID]int     // final events
	skipped map[string]uint64   // by TaskSkipped
	taken   map[string]uint64   // by TaskFired
	twice   map[string]struct{} // tasks of which two runs were running at once
}

// A scripted is all that is registered under one name.
type scripted struct {
	name    string
	overlap dray.Overlap
	there   bool
	life    *int // runs of one life of the task must not overlap
	paused  bool
	unseen  time.Time // since when nothing comes due, as it is paused or not served; zero if it does
	since   time.Time // of the schedule that it has
	when    scriptedSchedule
	open    []stretch // of this life
	least   uint64    // runs that must have come due, in lives that are over
	most    uint64
}

// A stretch is the time for which a task had one schedule.
type stretch struct {
	from, to time.Time
	when     scriptedSchedule
}

// A scriptedSchedule is a schedule, with how many runs it has in a stretch.
type scriptedSchedule struct {
	dray.Schedule
	count func(from, to time.Time) uint64 // after from, at the latest at to
	slow  bool
}

func everyScripted(period time.Duration) scriptedSchedule {
	return scriptedSchedule{dray.Every(period), func(from, to time.Time) uint64 {
		return uint64(max(to.Sub(from), 0) / period)
	}, false}
}

// minutesScripted takes so long to be asked, but for the first time.
func minutesScripted(takes time.Duration) scriptedSchedule {
	calls := 0
	next := foreign(func(after time.Time) time.Time {
		if calls++; calls > 1 {
			time.Sleep(takes)
		}
		return minutes(after)
	})
	return scriptedSchedule{next, func(from, to time.Time) (n uint64) {
		for at := minutes(from); !at.After(to); at = minutes(at) {
			n++
		}
		return n
	}, takes > 0}
}

func timesScripted(at ...time.Time) scriptedSchedule {
	return scriptedSchedule{dray.At(at...), func(from, to time.Time) (n uint64) {
		for _, a := range at {
			if a.After(from) && !a.After(to) {
				n++
			}
		}
		return n
	}, false}
}

func (s *script) schedule() scriptedSchedule {
	switch now := time.Now(); s.IntN(5) {
	case 0:
		return minutesScripted(time.Duration(s.IntN(900)) * time.Millisecond)
	case 1:
		return timesScripted(now.Add(time.Minute), now.Add(130*time.Second), now.Add(5*time.Minute))
	case 2:
		return minutesScripted(0)
	default:
		return everyScripted(time.Duration(1+s.IntN(100)) * time.Second)
	}
}

func (s *script) observe(ev dray.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ev.Kind {
	case dray.TaskFired:
		run := fmt.Sprint(ev.Name, " ", ev.Due.UTC())
		s.fired[ev.Job.ID] = run
		s.runs[run]++
		s.taken[ev.Name]++
	case dray.TaskSkipped:
		if !errors.Is(ev.Err, dray.ErrTimeout) {
			s.skipped[ev.Name] += ev.Count
		}
	case dray.JobProcessed:
		s.ended[ev.Job.ID]++
	case dray.JobFailed:
		s.ended[ev.Job.ID]++
	case dray.JobCancelled:
		s.ended[ev.Job.ID]++
	case dray.JobEvicted:
		s.ended[ev.Job.ID]++
	}
}

func (s *script) step() {
	names := []string{"a", "b", "c"}
	t := s.tasks[names[s.IntN(len(names))]]
	switch s.IntN(12) {
	case 0, 1, 2:
		s.register(t)
	case 3:
		s.unschedule(t)
	case 4, 5, 6:
		s.runNow(t)
	case 7:
		if s.check(t, s.q.Scheduler().Pause(t.name)) {
			t.paused = true
		}
	case 8:
		if s.check(t, s.q.Scheduler().Resume(t.name)) {
			t.paused = false
		}
	case 9:
		s.endServe()
	default:
		if s.served == nil {
			s.serve()
		}
	}
	s.look()
}

// look notes from when on nothing comes due, and checks the books.
func (s *script) look() {
	for _, t := range s.tasks {
		switch seen := s.served != nil && !t.paused; {
		case seen:
			t.unseen = time.Time{}
		case t.unseen.IsZero():
			t.unseen = time.Now()
		}
	}
	synctest.Wait()
	info(s.T, s.q, "")
}

// check reports whether a call was made; it is not if there is no such task.
func (s *script) check(t *scripted, err error) bool {
	if !t.there {
		require.ErrorIs(s, err, dray.ErrNotFound)
		return false
	}
	require.NoError(s, err)
	return true
}

func (s *script) register(t *scripted) {
	when := s.schedule()
	life := t.life
	if !t.there {
		life = new(int)
	}
	opts := []dray.TaskOption{
		dray.WithOverlap(t.overlap), dray.WithMissed([]dray.Missed{dray.SkipMissed, dray.RunOnce, dray.RunAll(3)}[s.IntN(3)]),
		dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(11 * time.Second)),
	}
	if s.IntN(3) == 0 {
		opts = append(opts, dray.WithJitter(50*time.Second))
	}
	takes, fails := time.Duration(s.IntN(40))*time.Second, s.IntN(4) == 0
	err := s.q.Scheduler().Schedule(t.name, when.Schedule, func(ctx context.Context) error {
		s.enter(t, life)
		defer s.leave(life)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(takes):
		}
		if fails {
			return errors.New("boom")
		}
		return nil
	}, opts...)
	if s.closed {
		require.ErrorIs(s, err, dray.ErrClosed)
		return
	}
	require.NoError(s, err)
	now := time.Now()
	if t.there {
		t.open = append(t.open, stretch{t.since, now, t.when})
	}
	t.there, t.paused, t.life, t.since, t.when = true, false, life, now, when
}

func (s *script) enter(t *scripted, life *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *life++; *life > 1 && (t.overlap == dray.SkipOverlap || t.overlap == dray.QueueOverlap) {
		s.twice[t.name] = struct{}{}
	}
}

func (s *script) leave(life *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*life--
}

func (s *script) unschedule(t *scripted) {
	if s.check(t, s.q.Scheduler().Unschedule(t.name)) {
		t.over()
	}
}

// over ends a life of the task: all that was due is to be told by then.
func (t *scripted) over() {
	if !t.there {
		return
	}
	for _, st := range append(t.open, stretch{t.since, time.Now(), t.when}) {
		to := st.to
		if !t.unseen.IsZero() && t.unseen.Before(to) {
			to = t.unseen
		}
		if st.from.Equal(t.since) {
			t.most += st.when.count(st.from, to)
		} else { // a pause concerns the last one alone
			t.most += st.when.count(st.from, st.to)
		}
		if !t.unseen.IsZero() { // jitter may have delayed it until then
			to = to.Add(-time.Minute)
		}
		if !st.when.slow {
			t.least += st.when.count(st.from, to)
		}
	}
	t.there, t.paused, t.open, t.unseen = false, false, nil, time.Time{}
}

func (s *script) runNow(t *scripted) {
	switch err := s.q.Scheduler().RunNow(t.name); {
	case s.closed:
		require.ErrorIs(s, err, dray.ErrClosed)
	case !t.there:
		require.ErrorIs(s, err, dray.ErrNotFound)
	default:
		if err != nil {
			require.True(s, errors.Is(err, dray.ErrOverlap) || errors.Is(err, dray.ErrQueueFull), "%v", err)
		}
		t.least++
		t.most++
	}
}

func (s *script) serve() {
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.q.Serve(ctx) }()
	synctest.Wait()
	s.closed = false
	s.served = func() error {
		cause := context.Canceled
		if s.IntN(2) == 0 {
			cause = dray.ErrRestart
		} else {
			s.closed = true
		}
		cancel(cause)
		return <-ended
	}
}

// endServe ends it, of which nothing that was due gets lost.
func (s *script) endServe() {
	if s.served == nil {
		return
	}
	end := s.served
	s.served = nil
	for _, t := range s.tasks {
		if t.unseen.IsZero() {
			t.unseen = time.Now()
		}
	}
	require.NoError(s, end())
}

// end is a shutdown; all that has come due is then accounted for.
func (s *script) end() {
	for _, t := range s.tasks {
		t.over()
	}
	if s.IntN(2) == 0 {
		require.NoError(s, s.q.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.IntN(60))*time.Second)
	defer cancel()
	report, _ := s.q.Shutdown(ctx)
	synctest.Wait()
	for _, i := range s.q.Scheduler().Tasks() {
		require.Equal(s, i.Due, i.Runs+i.Skipped, "%+v", i)
		require.Zero(s, i.Waiting, "%+v", i)
		require.False(s, i.Running, "%+v", i)
	}
	for _, l := range append(report.Waiting, report.Interrupted...) {
		s.ended[l.ID]++
	}
	for _, i := range report.Abandoned {
		s.ended[i.ID]++
	}
	for id, run := range s.fired {
		require.Equal(s, 1, s.ended[id], "run %s is job %d", run, id)
	}
	require.Len(s, s.ended, len(s.fired))
	for run, n := range s.runs {
		require.Equal(s, 1, n, run)
	}
	require.Empty(s, s.twice)
	for _, t := range s.tasks {
		due := s.taken[t.name] + s.skipped[t.name]
		require.LessOrEqual(s, due, t.most, t.name)
		require.GreaterOrEqual(s, due, t.least, t.name)
	}
}

// Each run that comes due, whatever happens to its task and its queue, is a job that
// settles or is handed back, or is told to be skipped; none is lost, doubled, or beside
// another one where that is not allowed.
func TestScripts(t *testing.T) {
	seeds := 400
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runScript(t, uint64(seed)) })
		})
		if !ok {
			return
		}
	}
}

func runScript(t *testing.T, seed uint64) {
	oddStart()
	s := &script{
		T: t, Rand: rand.New(rand.NewPCG(seed, 10)), //nolint:gosec // to be repeated
		tasks: map[string]*scripted{}, fired: map[dray.ID]string{}, runs: map[string]int{}, ended: map[dray.ID]int{},
		skipped: map[string]uint64{}, taken: map[string]uint64{}, twice: map[string]struct{}{},
	}
	for _, name := range []string{"a", "b", "c"} {
		s.tasks[name] = &scripted{name: name, overlap: dray.Overlap(s.IntN(4))}
	}
	q, err := dray.New(dray.WithObserver(s.observe), dray.WithWorkers(1+s.IntN(3)), dray.WithCapacity(1+s.IntN(3)),
		dray.WithShutdownTimeout(time.Duration(1+s.IntN(60))*time.Second))
	require.NoError(t, err)
	s.q = q
	s.serve()
	for range 15 + s.IntN(25) {
		s.step()
		time.Sleep(time.Duration(s.Int64N(int64(2 * time.Minute))))
		synctest.Wait()
	}
	s.end()
}
