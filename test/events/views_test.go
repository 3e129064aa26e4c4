package events_test

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
	"github.com/a622d8ee/dray/test/virtual"
)

// flat is a struct as fields; those of an embedded struct are its own.
func flat(v any) fields {
	s, fs := reflect.ValueOf(v), fields{}
	for _, f := range reflect.VisibleFields(s.Type()) {
		if f.IsExported() && !f.Anonymous {
			fs[f.Name] = s.FieldByIndex(f.Index).Interface()
		}
	}
	return fs
}

// within checks a duration, or a number.
func within[N ~int | ~int64 | ~uint64](low, high N) check {
	return func(got any) string {
		if n, ok := got.(N); !ok || n < low || n > high {
			return fmt.Sprintf("%v is not within %v and %v", got, low, high)
		}
		return ""
	}
}

// A view is a struct that dray fills in for its users.
type view struct {
	when string
	look func(s *scene) (want fields, got any)
}

// zero is a struct without values, but for some.
func zero(v any, but fields) fields { return with(flat(v), but) }

var views = []view{
	{"the books of a queue", func(s *scene) (fields, any) {
		q := s.made(dray.WithWorkers(2), dray.WithCapacity(5), dray.WithoutLatency())
		require.NoError(s, q.Start())
		draytest.CrashOwner(s, q)
		s.add(q, kit.Nop)
		s.add(q, kit.Fail)
		s.add(q, draytest.Panicking(kit.ErrBoom), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour)))
		s.add(q, draytest.Stubborn(30*time.Minute, nil), dray.WithTimeout(time.Second))
		for range 4 {
			s.add(q, kit.Nop, dray.WithDelay(time.Hour), dray.WithUnique("u", dray.ReplacePending))
		}
		require.ErrorIs(s, q.Enqueue(s.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
		s.add(q, kit.Nop, dray.WithDelay(time.Minute), dray.WithLabel("cancelled"))
		require.NoError(s, q.Cancel(9))
		require.NoError(s, q.Pause())
		s.add(q, kit.Nop)
		s.wait(7 * time.Second)
		return fields{
			"Pending": 1, "Delayed": 1, "Retrying": 1, "Running": 1, "Stuck": 1,
			"Enqueued": uint64(10), "Processed": uint64(1), "Failed": uint64(1), "Cancelled": uint64(1), "Evicted": uint64(3),
			"Rejected": uint64(1), "Retried": uint64(1), "Panicked": uint64(1),
			"Workers": 2, "Idle": 1, "Capacity": 5, "Paused": true, "Restarts": uint64(1),
			"OldestPending": 7 * time.Second, "Wait": dray.Latency{}, "Run": dray.Latency{},
		}, q.Stats()
	}},
	{"latencies", func(s *scene) (fields, any) {
		q := s.started()
		var sum time.Duration
		for i := range 100 { // waits 0, 1, 3, 6, …, runs 1, 2, 3, … seconds
			s.add(q, draytest.Slow(seconds(i+1)), dray.WithKey("k"))
			sum += seconds(i + 1)
		}
		s.wait(sum)
		st := q.Stats()
		wait := func(n int) time.Duration { return seconds(n * (n - 1) / 2) }
		high := func(d time.Duration) time.Duration { return d + d/8 }
		require.Empty(s, compare(fields{
			"Count": uint64(100), "Max": wait(100), "P50": within(wait(50), high(wait(51))),
			"P90": within(wait(90), high(wait(91))), "P99": within(wait(99), high(wait(100))),
		}, flat(st.Wait)), "Wait")
		return fields{
			"Count": uint64(100), "Max": 100 * time.Second, "P50": within(50*time.Second, high(51*time.Second)),
			"P90": within(90*time.Second, high(91*time.Second)), "P99": within(99*time.Second, 100*time.Second),
		}, st.Run
	}},
	{"latencies are in the books", func(s *scene) (fields, any) {
		q := s.started()
		s.add(q, draytest.Slow(time.Second), dray.WithKey("k"))
		s.wait(2 * time.Second)
		one := func(d time.Duration) dray.Latency { return dray.Latency{Count: 1, P50: d, P90: d, P99: d, Max: d} }
		return zero(dray.Stats{}, fields{
			"Enqueued": uint64(1), "Processed": uint64(1), "Workers": 1, "Idle": 1, "Capacity": 10_000,
			"Wait": one(0), "Run": one(time.Second),
		}), q.Stats()
	}},
	{"a running job", func(s *scene) (fields, any) {
		q := s.started()
		k, err := dray.Handle(q, "letter", func(ctx context.Context, _ int) error {
			dray.Progress(ctx, 1, 4)
			virtual.Sleep(time.Minute)
			return kit.ErrBoom
		})
		require.NoError(s, err)
		at := s.wait(time.Second)
		require.NoError(s, k.Enqueue(s.Context(), 1, append(retry, dray.WithKey("ada"), dray.WithLabel("hello"), dray.WithPriority(dray.Low))...))
		s.wait(90 * time.Second)
		return fields{
			"ID": dray.ID(1), "Kind": "letter", "Label": "hello", "Key": "ada", "Priority": dray.Low, "State": dray.Running,
			"Attempt": 2, "EnqueuedAt": at, "RunAt": time.Time{}, "StartedAt": at.Add(63 * time.Second), "LastError": kit.ErrBoom,
			"Done": int64(1), "Total": int64(4),
		}, listed(q)[0]
	}},
	{"a waiting job", func(s *scene) (fields, any) {
		q := s.started()
		at := s.add(q, kit.Nop, dray.WithDelay(time.Hour))
		s.wait(time.Second)
		return zero(dray.JobInfo{}, fields{
			"ID": dray.ID(1), "State": dray.Delayed, "EnqueuedAt": at, "RunAt": at.Add(time.Hour),
		}), listed(q)[0]
	}},
	{"a receipt", func(s *scene) (fields, any) {
		q := s.made()
		s.add(q, kit.Nop)
		r, err := q.EnqueueSync(s.Context(), kit.Nop)
		require.NoError(s, err)
		return fields{"ID": dray.ID(2), "Position": 2}, r
	}},
	{"a receipt after waiting for room", func(s *scene) (fields, any) { return blocked(s, dray.Normal, 2) }},
	{"a receipt after waiting for room, and past others", func(s *scene) (fields, any) { return blocked(s, dray.High, 1) }},
	{"a job as middleware has it", func(s *scene) (fields, any) {
		var got dray.Job
		q := s.started(dray.WithMiddleware(func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error {
				got = *j
				return next(ctx, j)
			}
		}))
		k, err := dray.Handle(q, "letter", func(context.Context, int) error { return kit.ErrBoom })
		require.NoError(s, err)
		at := s.wait(time.Second)
		require.NoError(s, k.Enqueue(s.Context(), 1, append(retry, dray.WithLabel("hello"))...))
		s.wait(time.Minute)
		return fields{"ID": dray.ID(1), "Kind": "letter", "Label": "hello", "Attempt": 2, "EnqueuedAt": at}, got
	}},
	{"a failure", func(s *scene) (fields, any) {
		q := s.started()
		n := 0
		first := fmt.Errorf("first")
		at := s.add(q, func(ctx context.Context) error {
			if n++; n == 1 {
				return first
			}
			return throwsHere(ctx)
		}, retry...)
		s.wait(time.Minute)
		err := isErr(kit.ErrBoom, "dray: panic: boom")
		return zero(dray.Failure{}, fields{
			"ID": dray.ID(1), "State": dray.Failed, "Attempt": 2, "EnqueuedAt": at, "LastError": err, "Err": err,
			"Errs": check(func(got any) string {
				errs, _ := got.([]error)
				if len(errs) != 2 || errs[0] != first || err(errs[1]) != "" { //nolint:errorlint // the very one
					return fmt.Sprint("not what the attempts returned: ", errs)
				}
				return ""
			}),
			"Stack": contains(here), "FailedAt": at.Add(3 * time.Second),
		}), q.Failures()[0]
	}},
	{"what was thrown", func(s *scene) (fields, any) {
		q := s.started()
		s.add(q, throwsHere)
		p, ok := q.Failures()[0].Err.(*dray.PanicError) //nolint:errorlint // the very one
		require.True(s, ok)
		return fields{"Value": kit.ErrBoom, "Stack": contains(here)}, *p
	}},
	{"a periodic task", periodic},
	{"a task that waits", func(s *scene) (fields, any) {
		q := s.started()
		at := s.hourly(q, draytest.Slow(90*time.Minute), dray.WithOverlap(dray.QueueOverlap))
		s.wait(2*time.Hour + time.Minute)
		return zero(dray.PeriodicInfo{}, fields{
			"Name": "report", "Schedule": "every 1h0m0s", "Next": at.Add(3 * time.Hour), "Last": at.Add(time.Hour),
			"Running": true, "Due": uint64(2), "Runs": uint64(1), "Waiting": 1,
		}), q.Scheduler().Tasks()[0]
	}},
	{"a task that has failed", func(s *scene) (fields, any) {
		q := s.started()
		at := s.hourly(q, kit.Fail)
		s.wait(90 * time.Minute)
		return zero(dray.PeriodicInfo{}, fields{
			"Name": "report", "Schedule": "every 1h0m0s", "Next": at.Add(2 * time.Hour), "Last": at.Add(time.Hour),
			"LastError": kit.ErrBoom, "Due": uint64(1), "Runs": uint64(1),
		}), q.Scheduler().Tasks()[0]
	}},
	{"a task that is paused", func(s *scene) (fields, any) {
		q := s.started()
		s.hourly(q, kit.Nop)
		require.NoError(s, q.Scheduler().Pause("report"))
		return zero(dray.PeriodicInfo{}, fields{"Name": "report", "Schedule": "every 1h0m0s", "Paused": true}), q.Scheduler().Tasks()[0]
	}},
	{"a supervised child", func(s *scene) (fields, any) {
		inner, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "web", Service: failing(2, boom)}))
		require.NoError(s, err)
		sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "inner", Service: inner}))
		require.NoError(s, err)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		at := time.Now()
		go func() { _ = sup.Serve(ctx) }()
		s.wait(time.Minute)
		outer := sup.Children()[0]
		require.Empty(s, compare(zero(dray.ChildInfo{}, fields{
			"Name": "inner", "State": dray.ChildRunning, "Since": at, "Children": outer.Children,
		}), flat(outer)))
		require.Len(s, outer.Children, 1)
		return zero(dray.ChildInfo{}, fields{
			"Name": "web", "State": dray.ChildRunning, "Restarts": uint64(2), "LastError": kit.ErrBoom, "Since": at.Add(2 * time.Second),
		}), outer.Children[0]
	}},
	{"a supervised child with children", func(s *scene) (fields, any) {
		q := s.started()
		sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
		require.NoError(s, err)
		own := check(func(got any) string {
			if cs, _ := got.([]dray.ChildInfo); len(cs) != 3 || cs[0].Name != "owner" {
				return fmt.Sprint("not the queue's own: ", got)
			}
			return ""
		})
		return zero(dray.ChildInfo{}, fields{"Name": "queue", "Children": own}), sup.Children()[0]
	}},
	{"a report", report},
	{"a job that was left", func(s *scene) (fields, any) {
		q := s.made()
		ran := false
		at := s.add(q, func(context.Context) error { ran = true; return nil }, dray.WithLabel("left"))
		require.NoError(s, q.Close())
		r, _ := q.Shutdown(s.Context())
		return zero(dray.Leftover{}, fields{
			"ID": dray.ID(1), "Label": "left", "EnqueuedAt": at, "Func": check(func(got any) string {
				f, _ := got.(dray.Func)
				if f == nil || f(context.Background()) != nil || !ran {
					return "not the job's"
				}
				return ""
			}),
		}), r.Waiting[0]
	}},
}

func listed(q *dray.Queue) (all []dray.JobInfo) {
	for j := range q.Jobs() {
		all = append(all, j)
	}
	return all
}

// blocked is a job that gets room when the first of two is started; the other waits.
func blocked(s *scene, p dray.Priority, position int) (fields, any) {
	q := s.made(dray.WithCapacity(2), dray.WithOverflow(dray.Block))
	s.add(q, draytest.Slow(time.Hour))
	s.add(q, kit.Nop)
	got := make(chan dray.Receipt, 1)
	go func() {
		r, _ := q.EnqueueSync(context.Background(), kit.Nop, dray.WithPriority(p))
		got <- r
	}()
	s.wait(time.Second)
	require.NoError(s, q.Start())
	s.wait(time.Second)
	return fields{"ID": dray.ID(3), "Position": position}, <-got
}

// periodic is a task to which all has happened that is counted.
func periodic(s *scene) (fields, any) {
	q := s.started()
	lock := &others{}
	at := s.wait(time.Second)
	n := 0
	require.NoError(s, q.Scheduler().Schedule("report", dray.Every(time.Hour), func(context.Context) error {
		n++
		virtual.Sleep(map[int]time.Duration{1: 90 * time.Minute}[n])
		return kit.ErrBoom
	}, dray.WithLastRun(at.Add(-3*time.Hour-time.Minute)), dray.WithMissed(dray.SkipMissed), dray.WithUnique("u", dray.RejectDuplicate), dray.WithLock(lock)))
	// Missed are 3; at 0:59 the first one runs until 2:29, so that the one of 1:59 overlaps.
	s.wait(150 * time.Minute)
	s.add(q, kit.Nop, dray.WithUnique("u", dray.KeepExisting), dray.WithDelay(time.Hour)) // that of 2:59 is refused
	s.wait(90 * time.Minute)                                                              // 4:00: that of 3:59 has run
	lock.held.Store(true)
	s.wait(time.Hour) // that of 4:59 is another instance's
	last := at.Add(5*time.Hour - time.Minute)
	return fields{
		"Name": "report", "Schedule": "every 1h0m0s", "Next": last.Add(time.Hour), "Last": last,
		"LastError": nil, "Running": false, "Paused": false,
		"Due": uint64(8), "Runs": uint64(3), "Skipped": uint64(5), "Waiting": 0,
		"Overlapped": uint64(1), "Missed": uint64(3), "Refused": uint64(1), "Locked": uint64(1),
	}, q.Scheduler().Tasks()[0]
}

// others is a Locker that other instances may hold.
type others struct{ held atomic.Bool }

func (l *others) Lock(ctx context.Context, _ string, _ time.Time) (context.Context, func(), error) {
	if l.held.Load() {
		return nil, nil, dray.ErrLocked
	}
	return ctx, nil, nil
}

// report is what a shutdown leaves: one job of each sort.
func report(s *scene) (fields, any) {
	q := s.started(dray.WithWorkers(2), dray.WithShutdownTimeout(time.Second))
	a := s.add(q, draytest.Stubborn(time.Hour, nil))
	b := s.add(q, func(ctx context.Context) error { <-ctx.Done(); return kit.ErrBoom })
	c := s.add(q, kit.Nop, dray.WithDelay(time.Hour))
	s.wait(time.Second)
	require.ErrorIs(s, q.Close(), dray.ErrStillRunning)
	r, _ := q.Shutdown(s.Context())
	leftover := func(want fields) check {
		return func(got any) string {
			left, _ := got.([]dray.Leftover)
			if len(left) != 1 || left[0].Func == nil {
				return fmt.Sprintf("not one job with a function: %v", got)
			}
			return compare(want, flat(left[0].JobInfo))
		}
	}
	return fields{
		"Waiting":     leftover(zero(job(3, dray.Delayed, 0, c), fields{"RunAt": c.Add(time.Hour)})),
		"Interrupted": leftover(zero(job(2, dray.Pending, 0, b), fields{"LastError": isErr(kit.ErrBoom, "boom")})),
		"Abandoned": check(func(got any) string {
			left, _ := got.([]dray.JobInfo)
			if len(left) != 1 {
				return fmt.Sprint("not one job: ", got)
			}
			return compare(flat(job(1, dray.Stuck, 1, a)), with(flat(left[0]), fields{"StartedAt": time.Time{}}))
		}),
	}, r
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
