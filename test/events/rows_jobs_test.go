package events_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
	"github.com/a622d8ee/dray/test/virtual"
)

// A row is one thing that happens, and all that is told of it: every event of its
// kind, and every record of the log but those of a queue's start and end.
type row struct {
	event, when string
	play        func(s *scene) (want []fields, logged []record)
}

// job is the JobInfo of a plain job.
func job(id dray.ID, state dray.State, attempt int, enqueued time.Time) dray.JobInfo {
	return dray.JobInfo{ID: id, State: state, Attempt: attempt, EnqueuedAt: enqueued}
}

// but changes a JobInfo.
func but(j dray.JobInfo, change func(j *dray.JobInfo)) dray.JobInfo {
	change(&j)
	return j
}

func ran(j dray.JobInfo, started time.Time) dray.JobInfo {
	j.StartedAt = started
	return j
}

func lasting(j dray.JobInfo, err error) dray.JobInfo {
	j.LastError = err
	return j
}

// line is a record of the queue "mail".
func line(level slog.Level, message string, attrs fields) record {
	all := fields{"dray": "mail"}
	for k, v := range attrs {
		all[k] = v
		if err, ok := v.(error); ok {
			all[k] = err.Error() // of errors, a log has the text
		}
	}
	return record{level, message, all}
}

var retry = []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(3 * time.Second))}

// throwsHere is a job whose name is in the log when it panics.
func throwsHere(context.Context) error { panic(kit.ErrBoom) }

const here = "throwsHere"

func panicked(id uint64, attempt int, more fields) fields {
	all := fields{
		"id": id, "attempt": attempt, "error": isErr(kit.ErrBoom, "dray: panic: boom"),
		"panicked_at": contains(here), "stack": contains(here),
	}
	maps.Copy(all, more)
	return all
}

var acceptance = []row{
	{"JobEnqueued", "a function", func(s *scene) ([]fields, []record) {
		q := s.started()
		at := s.add(q, kit.Nop)
		return []fields{{"Time": at, "Job": job(1, dray.Pending, 0, at)}}, nil
	}},
	{"JobEnqueued", "of a kind, for later", func(s *scene) ([]fields, []record) {
		q := s.started()
		k, err := dray.Handle(q, "letter", func(context.Context, int) error { return nil })
		require.NoError(s, err)
		at := s.wait(time.Second)
		require.NoError(s, k.Enqueue(s.Context(), 1, dray.WithLabel("hello"), dray.WithKey("ada"),
			dray.WithPriority(dray.High), dray.WithDelay(90*time.Second)))
		return []fields{{"Time": at, "Job": dray.JobInfo{
			ID: 1, Kind: "letter", Label: "hello", Key: "ada", Priority: dray.High, State: dray.Delayed,
			EnqueuedAt: at, RunAt: at.Add(90 * time.Second),
		}}}, nil
	}},
	{"JobRejected", "the queue is full", func(s *scene) ([]fields, []record) {
		q := s.made(dray.WithCapacity(1))
		s.add(q, kit.Nop)
		at := s.wait(time.Second)
		require.ErrorIs(s, q.Enqueue(s.Context(), kit.Nop, dray.WithLabel("second"), dray.WithPriority(dray.Low)), dray.ErrQueueFull)
		return []fields{{"Time": at, "Err": dray.ErrQueueFull, "Job": dray.JobInfo{Label: "second", Priority: dray.Low}}},
			[]record{line(slog.LevelWarn, "jobs rejected", fields{"count": uint64(1), "reason": "queue full"})}
	}},
	{"JobRejected", "its unique key is taken", func(s *scene) ([]fields, []record) {
		q := s.made()
		s.add(q, kit.Nop, dray.WithUnique("u", dray.KeepExisting))
		at := s.wait(time.Second)
		require.ErrorIs(s, q.Enqueue(s.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
		return []fields{{"Time": at, "Err": dray.ErrDuplicate, "Job": dray.JobInfo{}}},
			[]record{line(slog.LevelInfo, "jobs rejected", fields{"count": uint64(1), "reason": "duplicate"})}
	}},
	{"JobRejected", "its group is done", func(s *scene) ([]fields, []record) {
		q := s.made()
		g, err := dray.NewGroup(q)
		require.NoError(s, err)
		g.Cancel()
		at := s.wait(time.Second)
		require.ErrorIs(s, q.Enqueue(s.Context(), kit.Nop, dray.WithGroup(g)), dray.ErrGroupDone)
		return []fields{{"Time": at, "Err": dray.ErrGroupDone, "Job": dray.JobInfo{}}},
			[]record{line(slog.LevelInfo, "jobs rejected", fields{"count": uint64(1), "reason": "group done"})}
	}},
	{"JobEvicted", "DropOldest", func(s *scene) ([]fields, []record) {
		q := s.made(dray.WithCapacity(1), dray.WithOverflow(dray.DropOldest))
		first := s.add(q, kit.Nop, dray.WithPriority(dray.High))
		s.wait(time.Second)
		at := s.add(q, kit.Nop)
		evicted := but(job(1, dray.Evicted, 0, first), func(j *dray.JobInfo) { j.Priority = dray.High })
		return []fields{{"Time": at, "Err": dray.ErrEvicted, "Run": time.Duration(0), "Job": evicted}},
			[]record{line(slog.LevelWarn, "jobs evicted", fields{"count": uint64(1)})}
	}},
	{"JobEvicted", "DropNewest", func(s *scene) ([]fields, []record) {
		q := s.made(dray.WithCapacity(1), dray.WithOverflow(dray.DropNewest))
		s.add(q, kit.Nop)
		s.wait(time.Second)
		at := s.add(q, kit.Nop)
		return []fields{{"Time": at, "Err": dray.ErrEvicted, "Run": time.Duration(0), "Job": job(2, dray.Evicted, 0, at)}},
			[]record{line(slog.LevelWarn, "jobs evicted", fields{"count": uint64(1)})}
	}},
	{"JobEvicted", "replaced while it ran", func(s *scene) ([]fields, []record) {
		q := s.started()
		first := s.add(q, draytest.Stubborn(7*time.Second, kit.ErrBoom), append(retry, dray.WithUnique("u", dray.ReplacePending))...)
		s.add(q, kit.Nop, dray.WithUnique("u", dray.ReplacePending))
		at := s.wait(7 * time.Second)
		return []fields{{"Time": at, "Err": isErr(kit.ErrBoom, "boom"), "Run": 7 * time.Second, "Job": sameBut(job(1, dray.Evicted, 1, first), isErr(kit.ErrBoom, "boom"))}},
			[]record{line(slog.LevelInfo, "jobs replaced", fields{"count": uint64(1)})}
	}},
	{"JobEvicted", "replaced", func(s *scene) ([]fields, []record) {
		q := s.made()
		first := s.add(q, kit.Nop, dray.WithUnique("u", dray.ReplacePending))
		s.wait(time.Second)
		at := s.add(q, kit.Nop, dray.WithUnique("u", dray.ReplacePending))
		require.ErrorIs(s, dray.ErrReplaced, dray.ErrEvicted)
		return []fields{{"Time": at, "Err": dray.ErrReplaced, "Run": time.Duration(0), "Job": job(1, dray.Evicted, 0, first)}},
			[]record{line(slog.LevelInfo, "jobs replaced", fields{"count": uint64(1)})}
	}},
}

var attempts = []row{
	{"JobStarted", "after another one", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Slow(7*time.Second))
		s.wait(time.Second)
		b := s.add(q, draytest.Slow(time.Second))
		s.wait(time.Second)
		c := s.add(q, kit.Nop, dray.WithLabel("c"))
		s.wait(time.Minute)
		startB, startC := a.Add(7*time.Second), a.Add(8*time.Second)
		return []fields{
			{"Time": a, "Wait": time.Duration(0), "Job": ran(job(1, dray.Running, 1, a), a)},
			{"Time": startB, "Wait": 6 * time.Second, "Job": ran(job(2, dray.Running, 1, b), startB)},
			{"Time": startC, "Wait": 6 * time.Second, "Job": but(ran(job(3, dray.Running, 1, c), startC), func(j *dray.JobInfo) { j.Label = "c" })},
		}, nil
	}},
	{"JobStarted", "its second attempt", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Failing(1, kit.ErrBoom), retry...)
		b := a.Add(3 * time.Second)
		s.wait(time.Minute)
		return []fields{
				{"Time": a, "Wait": time.Duration(0), "Job": ran(job(1, dray.Running, 1, a), a)},
				{"Time": b, "Wait": time.Duration(0), "Job": ran(lasting(job(1, dray.Running, 2, a), kit.ErrBoom), b)},
			}, []record{line(slog.LevelWarn, "attempt failed", fields{
				"id": uint64(1), "attempt": 1, "error": kit.ErrBoom, "next": b,
			})}
	}},
	{"JobProgress", "", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, func(ctx context.Context) error {
			virtual.Sleep(2 * time.Second)
			dray.Progress(ctx, 3, 10)
			return nil
		})
		at := s.wait(2 * time.Second)
		now := but(ran(job(1, dray.Running, 1, a), a), func(j *dray.JobInfo) { j.Done, j.Total = 3, 10 })
		return []fields{{"Time": at, "Job": now}}, nil
	}},
	{"JobProcessed", "plain, and with options", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Slow(5*time.Second))
		b := s.add(q, draytest.Slow(4*time.Second), dray.WithKey("k"))
		s.wait(time.Minute)
		return []fields{
			{"Time": a.Add(5 * time.Second), "Run": 5 * time.Second, "Job": job(1, dray.Processed, 1, a)},
			{"Time": a.Add(9 * time.Second), "Run": 4 * time.Second,
				"Job": but(job(2, dray.Processed, 1, b), func(j *dray.JobInfo) { j.Key = "k" })},
		}, nil
	}},
	{"JobRetrying", "", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Stubborn(time.Second, kit.ErrBoom), append(retry, dray.WithLabel("hello"))...)
		at := s.wait(time.Second)
		next := at.Add(3 * time.Second)
		return []fields{{"Time": at, "Err": kit.ErrBoom, "Run": time.Second, "Job": dray.JobInfo{
				ID: 1, Label: "hello", State: dray.Retrying, Attempt: 1, EnqueuedAt: a, RunAt: next, LastError: kit.ErrBoom,
			}}}, []record{line(slog.LevelWarn, "attempt failed", fields{
				"id": uint64(1), "attempt": 1, "label": "hello", "error": kit.ErrBoom, "next": next,
			})}
	}},
	{"JobSnoozed", "", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, func(context.Context) error { virtual.Sleep(time.Second); return dray.Snooze(time.Hour) })
		at := s.wait(time.Second)
		return []fields{{"Time": at, "Run": time.Second, "Job": but(job(1, dray.Delayed, 0, a), func(j *dray.JobInfo) { j.RunAt = at.Add(time.Hour) })}}, nil
	}},
	{"JobInterrupted", "", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, func(ctx context.Context) error { <-ctx.Done(); virtual.Sleep(time.Millisecond); return kit.ErrBoom })
		at := s.wait(time.Second).Add(time.Millisecond)
		require.NoError(s, q.Close())
		return []fields{{"Time": at, "Err": isErr(kit.ErrBoom, "boom"), "Run": time.Second + time.Millisecond, "Job": sameBut(job(1, dray.Pending, 0, a), isErr(kit.ErrBoom, "boom"))}}, nil
	}},
}

// stuck is a job that is cancelled a second after it has begun, and takes a minute.
func stuck(cause error, cancel func(s *scene, q *dray.Queue), opts ...dray.JobOption) row {
	return row{"JobStuck", cause.Error(), func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Stubborn(time.Minute, nil), append(opts, dray.WithLabel("deaf"))...)
		at := s.wait(time.Second).Add(10 * time.Millisecond)
		cancel(s, q)
		s.wait(10 * time.Millisecond)
		return []fields{{"Time": at, "Err": cause, "Stack": contains("Stubborn"), "Job": dray.JobInfo{
				ID: 1, Label: "deaf", State: dray.Stuck, Attempt: 1, EnqueuedAt: a, StartedAt: a,
			}}}, []record{line(slog.LevelWarn, "job ignores its cancelled context", fields{
				"id": uint64(1), "attempt": 1, "label": "deaf", "cause": cause, "stack": contains("Stubborn"),
			})}
	}}
}

var stuckJobs = []row{
	stuck(dray.ErrTimeout, func(*scene, *dray.Queue) {}, dray.WithTimeout(time.Second)),
	stuck(dray.ErrDeadline, func(*scene, *dray.Queue) {}, dray.WithDeadline(time.Second)),
	stuck(dray.ErrCancelled, func(s *scene, q *dray.Queue) { require.NoError(s, q.Cancel(1)) }),
	{"JobStuck", "of a kind, with a key", func(s *scene) ([]fields, []record) {
		q := s.started()
		k, err := dray.Handle(q, "letter", func(context.Context, int) error { return draytest.Stubborn(time.Minute, nil)(nil) })
		require.NoError(s, err)
		a := s.wait(time.Second)
		require.NoError(s, k.Enqueue(s.Context(), 1, dray.WithKey("ada"), dray.WithTimeout(time.Second)))
		at := a.Add(time.Second + 10*time.Millisecond)
		s.wait(2 * time.Second)
		return []fields{{"Time": at, "Err": dray.ErrTimeout, "Stack": contains("Stubborn"), "Job": dray.JobInfo{
				ID: 1, Kind: "letter", Key: "ada", State: dray.Stuck, Attempt: 1, EnqueuedAt: a, StartedAt: a,
			}}}, []record{line(slog.LevelWarn, "job ignores its cancelled context", fields{
				"id": uint64(1), "attempt": 1, "kind": "letter", "key": "ada", "cause": dray.ErrTimeout, "stack": contains("Stubborn"),
			})}
	}},
	{"JobStuck", "the run of a periodic task", func(s *scene) ([]fields, []record) {
		q := s.started()
		require.NoError(s, q.Scheduler().Schedule("report", dray.Every(time.Hour), draytest.Stubborn(time.Minute, nil), dray.WithTimeout(time.Second)))
		a := s.wait(time.Hour)
		at := a.Add(time.Second + 10*time.Millisecond)
		s.wait(2 * time.Second)
		return []fields{{"Time": at, "Err": dray.ErrTimeout, "Stack": contains("Stubborn"), "Job": dray.JobInfo{
				ID: 1, Label: "report", State: dray.Stuck, Attempt: 1, EnqueuedAt: a, StartedAt: a,
			}}}, []record{line(slog.LevelWarn, "job ignores its cancelled context", fields{
				"id": uint64(1), "attempt": 1, "label": "report", "task": "report", "cause": dray.ErrTimeout, "stack": contains("Stubborn"),
			})}
	}},
	stuck(dray.ErrShutdown, func(_ *scene, q *dray.Queue) { go func() { _ = q.Close() }() }),
}

var failures = []row{
	{"JobFailed", "the last of two attempts", func(s *scene) ([]fields, []record) {
		q := s.started()
		k, err := dray.Handle(q, "letter", func(context.Context, int) error { virtual.Sleep(2 * time.Second); return kit.ErrBoom })
		require.NoError(s, err)
		a := s.wait(time.Second)
		require.NoError(s, k.Enqueue(s.Context(), 1, append(retry, dray.WithKey("ada"))...))
		at := s.wait(7 * time.Second)
		id := fields{"id": uint64(1), "kind": "letter", "key": "ada", "error": kit.ErrBoom}
		return []fields{{"Time": at, "Err": kit.ErrBoom, "Run": 2 * time.Second, "Job": dray.JobInfo{
				ID: 1, Kind: "letter", Key: "ada", State: dray.Failed, Attempt: 2, EnqueuedAt: a, LastError: kit.ErrBoom,
			}}}, []record{
				line(slog.LevelWarn, "attempt failed", with(id, fields{"attempt": 1, "next": at.Add(-2 * time.Second)})),
				line(slog.LevelError, "job failed", with(id, fields{"attempt": 2})),
			}
	}},
	{"JobFailed", "two panics", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, throwsHere, retry...)
		at := s.wait(3 * time.Second)
		err := isErr(kit.ErrBoom, "dray: panic: boom")
		return []fields{{"Time": at, "Err": err, "Run": time.Duration(0), "Job": sameBut(job(1, dray.Failed, 2, a), err)}}, []record{
			line(slog.LevelWarn, "attempt failed", panicked(1, 1, fields{"next": at})),
			line(slog.LevelError, "job failed", panicked(1, 2, nil)),
		}
	}},
	{"JobFailed", "Goexit", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Exiting())
		return []fields{{"Time": a, "Err": dray.ErrGoexit, "Run": time.Duration(0), "Job": lasting(job(1, dray.Failed, 1, a), dray.ErrGoexit)}},
			[]record{line(slog.LevelError, "job failed", fields{"id": uint64(1), "attempt": 1, "error": dray.ErrGoexit})}
	}},
	{"JobFailed", "past its deadline before it could start", func(s *scene) ([]fields, []record) {
		q := s.made()
		a := s.add(q, kit.Nop, dray.WithDeadline(time.Minute))
		at := s.wait(time.Minute)
		if len(s.of("JobFailed")) == 0 { // nobody looks before the start
			require.NoError(s, q.Start())
		}
		return []fields{{"Time": at, "Err": dray.ErrDeadline, "Run": time.Duration(0), "Job": lasting(job(1, dray.Failed, 0, a), dray.ErrDeadline)}},
			[]record{line(slog.LevelError, "job failed", fields{"id": uint64(1), "attempt": 0, "error": dray.ErrDeadline})}
	}},
	{"JobFailed", "the run of a periodic task", func(s *scene) ([]fields, []record) {
		q := s.started()
		require.NoError(s, q.Scheduler().Schedule("report", dray.Every(time.Hour), kit.Fail, dray.WithLabel("daily")))
		at := s.wait(time.Hour)
		return []fields{{"Time": at, "Err": kit.ErrBoom, "Run": time.Duration(0), "Job": dray.JobInfo{
				ID: 1, Label: "daily", State: dray.Failed, Attempt: 1, EnqueuedAt: at, LastError: kit.ErrBoom,
			}}}, []record{line(slog.LevelError, "job failed", fields{
				"id": uint64(1), "attempt": 1, "label": "daily", "task": "report", "error": kit.ErrBoom,
			})}
	}},
	{"JobRetrying", "the run of a periodic task, with a key", func(s *scene) ([]fields, []record) {
		q := s.started()
		opts := []dray.TaskOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second)), dray.WithKey("ada")}
		require.NoError(s, q.Scheduler().Schedule("report", dray.Every(time.Hour), draytest.Failing(1, kit.ErrBoom), opts...))
		at := s.wait(time.Hour)
		next := at.Add(time.Second)
		s.wait(time.Minute)
		return []fields{{"Time": at, "Err": kit.ErrBoom, "Run": time.Duration(0), "Job": dray.JobInfo{
				ID: 1, Label: "report", Key: "ada", State: dray.Retrying, Attempt: 1, EnqueuedAt: at, RunAt: next, LastError: kit.ErrBoom,
			}}}, []record{line(slog.LevelWarn, "attempt failed", fields{
				"id": uint64(1), "attempt": 1, "label": "report", "key": "ada", "task": "report", "error": kit.ErrBoom, "next": next,
			})}
	}},
	{"JobCancelled", "before it started", func(s *scene) ([]fields, []record) {
		q := s.made()
		a := s.add(q, kit.Nop)
		at := s.wait(time.Second)
		require.NoError(s, q.Cancel(1))
		return []fields{{"Time": at, "Err": dray.ErrCancelled, "Run": time.Duration(0), "Job": job(1, dray.Cancelled, 0, a)}}, nil
	}},
	{"JobCancelled", "while it ran", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, func(ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(kit.ErrBoom, context.Cause(ctx))
		})
		at := s.wait(time.Second)
		require.NoError(s, q.Cancel(1))
		err := isErr(kit.ErrBoom, "boom")
		return []fields{{"Time": at, "Err": err, "Run": time.Second, "Job": sameBut(job(1, dray.Cancelled, 1, a), err)}}, nil
	}},
}

// with is a and b together.
func with(a, b fields) fields {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// sameBut compares a job whose error cannot be written down.
func sameBut(want dray.JobInfo, err check) check {
	return func(got any) string {
		j, _ := got.(dray.JobInfo)
		last := j.LastError
		j.LastError = nil
		return compare(fields{"job": want, "LastError": err}, fields{"job": j, "LastError": last})
	}
}
