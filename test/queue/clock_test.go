package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// A setting is a queue whose wall clock is set while it runs. Of all moments it is known
// when they were on the test's own clock, which nobody sets.
type setting struct {
	*testing.T
	q    *dray.Queue
	seen *events
	by   time.Duration // what the queue's clock is ahead of the test's
	ctx  context.Context
}

// wall is how the queue has to tell a moment.
func (s *setting) wall(moment time.Time) time.Time { return moment.Add(s.by) }

func (s *setting) jump(by time.Duration) {
	synctest.Wait() // until all events of before have been told
	draytest.SetClock(s, s.q, by)
	s.by += by
}

// told requires what the queue tells of a moment.
func (s *setting) told(moment, got time.Time, what string) {
	s.Helper()
	require.Equal(s, s.wall(moment).UTC(), got.UTC(), "%s, with the clock set by %v", what, s.by)
}

func (s *setting) job(label string) dray.JobInfo {
	s.Helper()
	for j := range s.q.Jobs() {
		if j.Label == label {
			return j
		}
	}
	require.Fail(s, "no such job: "+label)
	return dray.JobInfo{}
}

func (s *setting) task(name string) dray.PeriodicInfo {
	s.Helper()
	for _, i := range s.q.Scheduler().Tasks() {
		if i.Name == name {
			return i
		}
	}
	require.Fail(s, "no such task: "+name)
	return dray.PeriodicInfo{}
}

// last returns the newest event of its kind.
func (s *setting) last(kind dray.EventKind) dray.Event {
	s.Helper()
	synctest.Wait()
	es := s.seen.of(kind)
	require.NotEmpty(s, es)
	return es[len(es)-1]
}

// busy fills the queue with one job or task in every state that has times.
func busy(t *testing.T) (s *setting, begun, far time.Time) {
	s = &setting{T: t, seen: new(events)}
	s.q = draytest.New(t, dray.WithWorkers(2), dray.WithObserver(s.seen.observe), dray.WithShutdownTimeout(0))
	synctest.Wait()
	begun = time.Now()
	far = begun.AddDate(9, 0, 0)
	fail := func(context.Context) error { return kit.ErrBoom }
	add(t, s.q, func(ctx context.Context) error {
		s.ctx = ctx
		<-ctx.Done()
		return nil
	}, dray.WithLabel("runs"), dray.WithTimeout(50*time.Hour))
	synctest.Wait() // s.ctx is there
	add(t, s.q, kit.Nop, dray.WithLabel("delayed"), dray.WithDelay(60*time.Hour))
	add(t, s.q, kit.Nop, dray.WithLabel("at"), dray.WithRunAt(begun.Add(70*time.Hour)))
	add(t, s.q, fail, dray.WithLabel("retries"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(80*time.Hour)))
	add(t, s.q, fail, dray.WithLabel("failed"))
	require.NoError(t, s.q.Scheduler().Schedule("every", dray.Every(time.Hour), kit.Nop))
	require.NoError(t, s.q.Scheduler().Schedule("named", dray.At(far), kit.Nop))
	require.NoError(t, s.q.Scheduler().RunNow("named"))
	synctest.Wait()
	return s, begun, far
}

// views requires that all that the queue shows is told by one clock, that of now.
func (s *setting) views(begun, far time.Time) {
	s.Helper()
	for label, at := range map[string]time.Duration{"runs": 0, "delayed": 60 * time.Hour, "at": 70 * time.Hour, "retries": 80 * time.Hour} {
		j := s.job(label)
		s.told(begun, j.EnqueuedAt, label+": EnqueuedAt")
		if at > 0 {
			s.told(begun.Add(at), j.RunAt, label+": RunAt")
		} else {
			s.told(begun, j.StartedAt, label+": StartedAt")
		}
	}
	deadline, ok := s.ctx.Deadline()
	require.True(s, ok)
	s.told(begun.Add(50*time.Hour), deadline, "Deadline")
	inside, ok := dray.JobFrom(s.ctx)
	require.True(s, ok)
	s.told(begun, inside.StartedAt, "JobFrom")
	failed := s.q.Failures()
	require.Len(s, failed, 1)
	s.told(begun, failed[0].EnqueuedAt, "Failure.EnqueuedAt")
	s.told(begun, failed[0].FailedAt, "FailedAt")
	for _, c := range s.q.Children() {
		s.told(begun, c.Since, "Since of "+c.Name)
	}
	elapsed := time.Since(begun).Truncate(time.Hour)
	every := s.task("every")
	s.told(begun.Add(elapsed+time.Hour), every.Next, "Next of an interval")
	if elapsed > 0 {
		s.told(begun.Add(elapsed), every.Last, "Last of an interval")
	}
	require.Equal(s, far.UTC(), s.task("named").Next.UTC(), "what a schedule names stays that")
	s.told(begun, s.task("named").Last, "Last of RunNow")
}

// jumps are the settings of the clock, one after the other.
var jumps = map[string][]time.Duration{
	"forward by an hour":     {time.Hour},
	"back by an hour":        {-time.Hour},
	"forward by three days":  {72 * time.Hour},
	"back by three days":     {-72 * time.Hour},
	"forward, back, forward": {72*time.Hour + 3*time.Nanosecond, -145 * time.Hour, 90 * time.Minute},
}

func eachJump(t *testing.T, f func(s *setting, begun, far time.Time)) {
	for name, settings := range jumps {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, begun, far := busy(t)
				s.views(begun, far)
				for _, by := range settings {
					time.Sleep(2*time.Hour + 11*time.Minute + 7)
					s.jump(by)
					s.views(begun, far)
				}
				f(s, begun, far)
				_, _ = s.q.Shutdown(cancelled())
			})
		})
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// After the wall clock was set, all times of one moment agree, in every view.
func TestOneClockForAllViews(t *testing.T) {
	eachJump(t, func(s *setting, begun, far time.Time) {
		time.Sleep(33 * time.Minute)
		s.views(begun, far)
	})
}

// So do the times of events, and those of the jobs in them.
func TestOneClockForAllEvents(t *testing.T) {
	eachJump(t, func(s *setting, begun, _ time.Time) {
		time.Sleep(33 * time.Minute)
		now := time.Now()
		add(s.T, s.q, func(ctx context.Context) error {
			time.Sleep(time.Minute)
			dray.Progress(ctx, 1, 2)
			return nil
		})
		s.told(now, s.last(dray.JobEnqueued).Time, "JobEnqueued")
		s.told(now, s.last(dray.JobStarted).Job.StartedAt, "JobStarted.Job")
		require.NoError(s, s.q.Pause())
		s.told(now, s.last(dray.QueuePaused).Time, "QueuePaused")
		require.NoError(s, s.q.Resume())
		time.Sleep(time.Minute)
		s.told(time.Now(), s.last(dray.JobProgress).Time, "JobProgress")
		done := s.last(dray.JobProcessed)
		s.told(time.Now(), done.Time, "JobProcessed")
		s.told(now, done.Job.EnqueuedAt, "JobProcessed.Job")
		require.Equal(s, time.Minute, done.Run)
		time.Sleep(time.Until(begun.Add(time.Since(begun).Truncate(time.Hour) + time.Hour)))
		fired := s.last(dray.TaskFired)
		s.told(time.Now(), fired.Time, "TaskFired")
		s.told(time.Now(), fired.Due, "TaskFired.Due")
		draytest.CrashOwner(s.T, s.q)
		s.told(time.Now(), s.last(dray.ChildFailed).Time, "ChildFailed")
		_, err := s.q.Shutdown(cancelled())
		require.Error(s, err)
		s.told(time.Now(), s.last(dray.QueueStopped).Time, "QueueStopped")
	})
}

// WithRunAt is measured when the job is enqueued, by the wall clock of then: a job that
// waits already is not moved, and one that comes after goes by the clock as it is. A delay
// is the same by every clock.
func TestRunAtIsMeasuredOnce(t *testing.T) {
	eachJump(t, func(s *setting, begun, _ time.Time) {
		now := time.Now()
		add(s.T, s.q, kit.Nop, dray.WithLabel("new"), dray.WithRunAt(s.wall(now.Add(3*time.Hour))))
		s.told(now.Add(3*time.Hour), s.job("new").RunAt, "RunAt")
		add(s.T, s.q, kit.Nop, dray.WithLabel("new delay"), dray.WithDelay(4*time.Hour))
		s.told(now.Add(4*time.Hour), s.job("new delay").RunAt, "RunAt")
		require.Error(s, s.q.Enqueue(context.Background(), kit.Nop, dray.WithRunAt(s.wall(now.Add(3*time.Hour))), dray.WithDeadline(3*time.Hour)))
		require.NoError(s, s.q.Enqueue(context.Background(), kit.Nop, dray.WithRunAt(s.wall(now.Add(3*time.Hour))), dray.WithDeadline(3*time.Hour+1)))
		time.Sleep(80 * time.Hour)
		synctest.Wait()
		for label, at := range map[string]time.Time{
			"at": begun.Add(70 * time.Hour), "new": now.Add(3 * time.Hour),
			"delayed": begun.Add(60 * time.Hour), "new delay": now.Add(4 * time.Hour),
		} {
			es := s.seen.of(dray.JobProcessed)
			i := slices.IndexFunc(es, func(e dray.Event) bool { return e.Job.Label == label })
			require.GreaterOrEqual(s, i, 0, label)
			s.told(at, es[i].Time, label)
		}
		require.Equal(s, context.DeadlineExceeded, s.ctx.Err(), "a timeout goes by the time that has passed")
		deadline, _ := s.ctx.Deadline()
		s.told(begun.Add(50*time.Hour), deadline, "Deadline of a context that has ended")
	})
}

// A report tells its times by the clock of the shutdown, and a queue that restores them
// takes each to be as far away as it is by the clock of then.
func TestReportAfterTheClockWasSet(t *testing.T) {
	eachJump(t, func(s *setting, begun, _ time.Time) {
		time.Sleep(33 * time.Minute)
		report, _ := s.q.Shutdown(cancelled())
		other := &setting{T: s.T, seen: new(events)}
		other.q = draytest.NewManual(s.T).Queue
		other.jump(s.by)
		require.NoError(s, other.q.Restore(report))
		for label, at := range map[string]time.Duration{"delayed": 60 * time.Hour, "at": 70 * time.Hour, "retries": 80 * time.Hour} {
			i := slices.IndexFunc(report.Waiting, func(l dray.Leftover) bool { return l.Label == label })
			require.GreaterOrEqual(s, i, 0, label)
			s.told(begun.Add(at), report.Waiting[i].RunAt, label+": RunAt")
			s.told(begun, report.Waiting[i].EnqueuedAt, label+": EnqueuedAt")
			restored := other.job(label)
			s.told(begun.Add(at), restored.RunAt, label+": RunAt, restored")
			s.told(begun, restored.EnqueuedAt, label+": EnqueuedAt, restored")
		}
		_ = other.q.Close()
	})
}

// A delay and a time to run at, with a reading of the monotonic clock and without, are the same
// where no clock is set.
func TestDelayAndRunAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		begin := time.Now()
		due := map[string]time.Duration{}
		enqueue := func(label string, opts ...dray.JobOption) {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { due[label] = time.Since(begin); return nil }, opts...))
		}
		enqueue("delay", dray.WithDelay(10*time.Minute))
		enqueue("time", dray.WithRunAt(begin.Add(20*time.Minute)))
		enqueue("calendar time", dray.WithRunAt(begin.Add(30*time.Minute).Round(0)))
		enqueue("past", dray.WithRunAt(begin.Add(-time.Minute).Round(0)))
		require.NoError(t, q.Start())
		time.Sleep(2 * time.Hour)
		require.NoError(t, q.Close())
		require.Equal(t, map[string]time.Duration{
			"delay": 10 * time.Minute, "time": 20 * time.Minute, "calendar time": 30 * time.Minute, "past": 0,
		}, due)
	})
}

// A plain job has the date of its own Enqueue, to a fraction of a millisecond, also while
// nobody could run it: all workers are busy, the queue is paused, or it has not started.
func TestPlainJobsHaveTheirOwnDates(t *testing.T) {
	for name, occupy := range map[string]func(t *testing.T, q *dray.Queue){
		"busy": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			for range 2 {
				require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(24 * time.Hour); return nil }))
			}
			synctest.Wait()
		},
		"paused": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			require.NoError(t, q.Pause())
		},
		"not started": func(*testing.T, *dray.Queue) {},
	} {
		for _, pause := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(73*time.Hour + 11*time.Minute + 7)
					q, err := dray.New(dray.WithWorkers(2))
					require.NoError(t, err)
					occupy(t, q)
					begin := time.Now()
					for range 10 {
						require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
						time.Sleep(pause)
					}
					var dates []time.Duration
					for j := range q.Jobs() {
						if j.State == dray.Pending {
							dates = append(dates, j.EnqueuedAt.Sub(begin).Round(time.Millisecond/2))
						}
					}
					want := []time.Duration{}
					for i := range 10 {
						want = append(want, time.Duration(i)*pause)
					}
					require.Equal(t, want, dates)
					time.Sleep(48 * time.Hour)
					require.NoError(t, q.Close())
				})
			})
		}
	}
}
