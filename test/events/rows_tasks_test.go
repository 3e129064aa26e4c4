package events_test

import (
	"context"
	"log/slog"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
	"github.com/a622d8ee/dray/test/virtual"
)

// hourly registers the task "report".
func (s *scene) hourly(q *dray.Queue, fn dray.Func, opts ...dray.TaskOption) time.Time {
	s.Helper()
	require.NoError(s, q.Scheduler().Schedule("report", dray.Every(time.Hour), fn, opts...))
	return time.Now()
}

func skip(level slog.Level, due time.Time, reason string, count uint64) record {
	return line(level, "run of periodic task skipped", fields{"task": "report", "due": due, "reason": reason, "count": count})
}

// slowAfter is a schedule of one time, which takes ten minutes to find that there is no other.
type slowAfter time.Time

func (s slowAfter) Next(after time.Time) time.Time {
	if after.Before(time.Time(s)) {
		return time.Time(s)
	}
	virtual.Sleep(10 * time.Minute)
	return time.Time{}
}

// locked is what another instance has.
type locked struct{}

func (locked) Lock(context.Context, string, time.Time) (context.Context, func(), error) {
	return nil, nil, dray.ErrLocked
}

var tasks = []row{
	{"TaskScheduled", "and replaced", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.hourly(q, kit.Nop)
		b := s.wait(time.Second)
		require.NoError(s, q.Scheduler().Schedule("report", dray.At(b.Add(time.Minute)), kit.Nop))
		return []fields{
			{"Time": a, "Name": "report", "Next": a.Add(time.Hour)},
			{"Time": b, "Name": "report", "Next": b.Add(time.Minute)},
		}, nil
	}},
	{"TaskFired", "", func(s *scene) ([]fields, []record) {
		q := s.started()
		s.add(q, kit.Nop)
		a := s.hourly(q, kit.Nop)
		s.wait(2*time.Hour + time.Minute)
		one, two := a.Add(time.Hour), a.Add(2*time.Hour)
		return []fields{
			{"Time": one, "Name": "report", "Due": one, "Job": dray.JobInfo{ID: dray.ID(2)}},
			{"Time": two, "Name": "report", "Due": two, "Job": dray.JobInfo{ID: dray.ID(3)}},
		}, nil
	}},
	{"TaskFired", "by hand", func(s *scene) ([]fields, []record) {
		q := s.started()
		s.hourly(q, kit.Nop)
		at := s.wait(time.Minute)
		require.NoError(s, q.Scheduler().RunNow("report"))
		return []fields{{"Time": at, "Name": "report", "Due": at, "Job": dray.JobInfo{ID: dray.ID(1)}}}, nil
	}},
	{"TaskSkipped", "the run before goes on", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.hourly(q, draytest.Slow(90*time.Minute))
		at := a.Add(2 * time.Hour)
		s.wait(150 * time.Minute)
		return []fields{{"Time": at, "Name": "report", "Due": at, "Err": dray.ErrOverlap, "Count": uint64(1)}},
			[]record{skip(slog.LevelWarn, at, "the run before has not settled", 1)}
	}},
	{"TaskSkipped", "missed", func(s *scene) ([]fields, []record) {
		q := s.started()
		at := s.wait(time.Second)
		s.hourly(q, kit.Nop, dray.WithLastRun(at.Add(-3*time.Hour-time.Minute)), dray.WithMissed(dray.SkipMissed))
		last := at.Add(-time.Minute)
		s.wait(time.Second)
		return []fields{{"Time": at, "Name": "report", "Due": last, "Err": dray.ErrMissed, "Count": uint64(3)}},
			[]record{skip(slog.LevelWarn, last, "missed", 3)}
	}},
	{"TaskSkipped", "its schedule does not return", func(s *scene) ([]fields, []record) {
		q := s.started()
		due := time.Now().Add(time.Hour)
		require.NoError(s, q.Scheduler().Schedule("report", slowAfter(due), kit.Nop))
		s.wait(90 * time.Minute)
		return []fields{{"Time": due.Add(time.Second), "Name": "report", "Due": due, "Err": dray.ErrTimeout, "Count": uint64(0)}},
			[]record{line(slog.LevelError, "schedule of periodic task does not return", fields{"task": "report", "due": due})}
	}},
	{"TaskSkipped", "its unique key is taken", func(s *scene) ([]fields, []record) {
		q := s.started()
		s.add(q, kit.Nop, dray.WithDelay(24*time.Hour), dray.WithUnique("u", dray.KeepExisting))
		a := s.hourly(q, kit.Nop, dray.WithUnique("u", dray.RejectDuplicate))
		at := a.Add(time.Hour)
		s.wait(90 * time.Minute)
		return []fields{{"Time": at, "Name": "report", "Due": at, "Err": dray.ErrDuplicate, "Count": uint64(1)}}, []record{
			skip(slog.LevelWarn, at, "duplicate", 1),
			line(slog.LevelInfo, "jobs rejected", fields{"count": uint64(1), "reason": "duplicate"}),
		}
	}},
	{"TaskSkipped", "another instance has it", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.hourly(q, kit.Nop, dray.WithLock(locked{}))
		at := a.Add(time.Hour)
		s.wait(90 * time.Minute)
		return []fields{{"Time": at, "Name": "report", "Due": at, "Err": dray.ErrLocked, "Count": uint64(1)}},
			[]record{skip(slog.LevelDebug, at, "locked by another instance", 1)}
	}},
	{"TaskSkipped", "its task is taken out", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.hourly(q, draytest.Slow(90*time.Minute), dray.WithOverlap(dray.QueueOverlap))
		at := s.wait(130 * time.Minute)
		require.NoError(s, q.Scheduler().Unschedule("report"))
		due := a.Add(2 * time.Hour)
		return []fields{{"Time": at, "Name": "report", "Due": due, "Err": dray.ErrCancelled, "Count": uint64(1)}},
			[]record{skip(slog.LevelWarn, due, "task unscheduled", 1)}
	}},
	{"TaskEnded", "well, and badly", func(s *scene) ([]fields, []record) {
		q := s.started()
		n := 0
		a := s.hourly(q, func(context.Context) error {
			virtual.Sleep(time.Minute)
			if n++; n == 1 {
				return nil
			}
			return kit.ErrBoom
		})
		s.wait(150 * time.Minute)
		return []fields{
				{"Time": a.Add(61 * time.Minute), "Name": "report", "Job": dray.JobInfo{ID: dray.ID(1)}, "Err": nil},
				{"Time": a.Add(121 * time.Minute), "Name": "report", "Job": dray.JobInfo{ID: dray.ID(2)}, "Err": kit.ErrBoom},
			}, []record{line(slog.LevelError, "job failed", fields{
				"id": uint64(2), "attempt": 1, "label": "report", "task": "report", "error": kit.ErrBoom,
			})}
	}},
	{"TaskUnscheduled", "removed, and over", func(s *scene) ([]fields, []record) {
		q := s.started()
		s.hourly(q, kit.Nop)
		a := s.wait(time.Second)
		require.NoError(s, q.Scheduler().Unschedule("report"))
		b := s.wait(time.Second).Add(time.Minute)
		require.NoError(s, q.Scheduler().Schedule("once", dray.At(b), kit.Nop))
		s.wait(time.Hour)
		return []fields{{"Time": a, "Name": "report"}, {"Time": b, "Name": "once"}}, nil
	}},
	{"ClockJumped", "forward, and back", func(s *scene) ([]fields, []record) {
		var opts []dray.Option
		for _, o := range s.options() {
			opts = append(opts, o)
		}
		q := draytest.New(s, opts...)
		a := time.Now()
		require.NoError(s, q.Scheduler().Schedule("far", dray.At(a.AddDate(10, 0, 0)), kit.Nop))
		s.wait(10 * time.Second)
		draytest.SetClock(s, q, 2*time.Hour)
		s.wait(time.Minute)
		draytest.SetClock(s, q, -3*time.Hour)
		s.wait(time.Minute)
		jump := func(by time.Duration) record {
			return line(slog.LevelWarn, "wall clock was set, or the machine slept", fields{"by": by})
		}
		return []fields{{"Time": a.Add(time.Minute + 2*time.Hour), "By": 2 * time.Hour}, {"Time": a.Add(2*time.Minute - time.Hour), "By": -3 * time.Hour}},
			[]record{jump(2 * time.Hour), jump(-3 * time.Hour)}
	}},
}
