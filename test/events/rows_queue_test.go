package events_test

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

var workers = []row{
	{"WorkerStarted", "when first needed", func(s *scene) ([]fields, []record) {
		q := s.started(dray.WithWorkers(2))
		a := s.add(q, draytest.Slow(time.Minute))
		b := s.wait(time.Second)
		s.add(q, draytest.Slow(time.Minute))
		return []fields{{"Time": a, "Worker": 1}, {"Time": b, "Worker": 2}}, nil
	}},
	{"WorkerStopped", "too many, and at the end", func(s *scene) ([]fields, []record) {
		q := s.started(dray.WithWorkers(2))
		s.add(q, draytest.Slow(5*time.Second))
		b := s.add(q, draytest.Slow(7*time.Second))
		require.NoError(s, q.Resize(1))
		end := s.wait(10 * time.Second)
		require.NoError(s, q.Close())
		return []fields{
			{"Time": b.Add(5 * time.Second), "Worker": 1, "Err": nil},
			{"Time": end, "Worker": 2, "Err": nil},
		}, nil
	}},
	{"WorkerStopped", "taken along by a job", func(s *scene) ([]fields, []record) {
		q := s.started()
		a := s.add(q, draytest.Exiting())
		return []fields{{"Time": a, "Worker": 1, "Err": dray.ErrGoexit}},
			[]record{line(slog.LevelError, "job failed", fields{"id": uint64(1), "attempt": 1, "error": dray.ErrGoexit})}
	}},
}

// A limiter fails for as long as it has errors.
type limiter struct {
	mu    sync.Mutex
	fails []func() error
}

func (l *limiter) Wait(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fails) == 0 {
		return nil
	}
	f := l.fails[0]
	l.fails = l.fails[1:]
	return f()
}

var queues = []row{
	{"QueueStarted", "", func(s *scene) ([]fields, []record) {
		q := s.made(dray.WithWorkers(3))
		at := s.wait(time.Second)
		require.NoError(s, q.Start())
		return []fields{{"Time": at, "Count": uint64(3)}}, []record{line(slog.LevelInfo, "queue started", fields{"workers": 3})}
	}},
	{"QueuePaused", "the queue, and a kind", func(s *scene) ([]fields, []record) {
		q := s.started()
		_, err := dray.Handle(q, "letter", func(context.Context, int) error { return nil })
		require.NoError(s, err)
		a := s.wait(time.Second)
		require.NoError(s, q.Pause())
		require.NoError(s, q.Pause()) // nothing happens
		b := s.wait(time.Second)
		require.NoError(s, q.PauseKind("letter"))
		return []fields{{"Time": a, "Name": ""}, {"Time": b, "Name": "letter"}}, nil
	}},
	{"QueueResumed", "the queue, and a kind", func(s *scene) ([]fields, []record) {
		q := s.started()
		_, err := dray.Handle(q, "letter", func(context.Context, int) error { return nil })
		require.NoError(s, err)
		require.NoError(s, q.Resume()) // nothing happens
		require.NoError(s, q.Pause())
		require.NoError(s, q.PauseKind("letter"))
		a := s.wait(time.Second)
		require.NoError(s, q.Resume())
		b := s.wait(time.Second)
		require.NoError(s, q.ResumeKind("letter"))
		return []fields{{"Time": a, "Name": ""}, {"Time": b, "Name": "letter"}}, nil
	}},
	{"QueueResized", "", func(s *scene) ([]fields, []record) {
		q := s.started()
		at := s.wait(time.Second)
		require.NoError(s, q.Resize(7))
		return []fields{{"Time": at, "Count": uint64(7)}}, nil
	}},
	{"RateLimitFailed", "an error, and a panic", func(s *scene) ([]fields, []record) {
		q := s.started()
		l := &limiter{fails: []func() error{
			func() error { return kit.ErrBoom },
			func() error { return throwsHere(context.Background()) },
		}}
		a := s.add(q, kit.Nop, dray.WithRateLimit(l))
		s.wait(time.Minute)
		panicErr := isErr(kit.ErrBoom, "dray: panic: boom")
		return []fields{{"Time": a, "Err": kit.ErrBoom}, {"Time": a.Add(time.Second), "Err": panicErr}}, []record{
			line(slog.LevelError, "rate limiter failed", fields{"error": kit.ErrBoom}),
			line(slog.LevelError, "rate limiter failed", fields{
				"error": panicErr, "panicked_at": contains(here), "stack": contains(here),
			}),
		}
	}},
	{"QueueStopped", "with nothing left", func(s *scene) ([]fields, []record) {
		q := s.made()
		at := s.wait(time.Second)
		require.NoError(s, q.Close())
		return []fields{{"Time": at, "Waiting": 0, "Interrupted": 0, "Abandoned": 0, "Stats": &dray.Stats{Workers: 1, Idle: 1, Capacity: 10_000}}},
			[]record{line(slog.LevelInfo, "queue stopped", fields{
				"enqueued": uint64(0), "processed": uint64(0), "failed": uint64(0), "cancelled": uint64(0), "evicted": uint64(0),
				"rejected": uint64(0), "waiting": 0, "interrupted": 0, "abandoned": 0,
			})}
	}},
	{"QueueStopped", "with a bit of everything", stopped},
	{"QueuePaused", "to an observer that does not return", func(s *scene) ([]fields, []record) {
		q := s.started(dray.WithObserver(func(dray.Event) { time.Sleep(time.Minute) }))
		at := s.wait(time.Second)
		require.NoError(s, q.Pause())
		_ = q.Close()
		return []fields{{"Time": at, "Name": ""}},
			[]record{line(slog.LevelWarn, "user code has not returned", fields{"error": contains("dray: observer ")})}
	}},
	{"EventsDropped", "", dropped},
	{"EventsDropped", "of evictions", droppedEvictions},
}

// stopped is the end of a queue in which all has happened that is counted.
func stopped(s *scene) ([]fields, []record) {
	q := s.made(dray.WithWorkers(2), dray.WithCapacity(4), dray.WithOverflow(dray.Reject), dray.WithShutdownTimeout(2*time.Second),
		dray.WithoutLatency())
	require.NoError(s, q.Start())
	draytest.CrashOwner(s, q)
	s.add(q, kit.Nop)
	s.add(q, kit.Fail)
	s.add(q, draytest.Panicking(kit.ErrBoom), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour)))
	s.add(q, draytest.Stubborn(time.Hour, nil))
	s.add(q, draytest.Slow(time.Hour))
	for range 3 {
		s.add(q, kit.Nop, dray.WithDelay(time.Hour), dray.WithUnique("u", dray.ReplacePending))
	}
	require.ErrorIs(s, q.Enqueue(s.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
	require.NoError(s, q.Cancel(8))
	s.add(q, kit.Nop)
	s.wait(time.Second)
	s.add(q, kit.Nop)
	require.NoError(s, q.Pause())
	at := s.wait(time.Second).Add(2 * time.Second)
	require.ErrorIs(s, q.Close(), dray.ErrStillRunning)
	// Jobs 9 and 10 wait, 3 waits for its next attempt, 5 is interrupted, 4 is left.
	return []fields{{"Time": at, "Waiting": 3, "Interrupted": 1, "Abandoned": 1, "Stats": &dray.Stats{
			Pending: 3, Retrying: 1, Running: 1, Stuck: 1,
			Enqueued: 10, Processed: 1, Failed: 1, Cancelled: 1, Evicted: 2, Rejected: 1, Retried: 1, Panicked: 1,
			Workers: 2, Idle: 1, Capacity: 4, Paused: true, Restarts: 1, OldestPending: 4 * time.Second,
		}}}, []record{line(slog.LevelWarn, "queue stopped", fields{
			"enqueued": uint64(10), "processed": uint64(1), "failed": uint64(1), "cancelled": uint64(1), "evicted": uint64(2),
			"rejected": uint64(1), "waiting": 3, "interrupted": 1, "abandoned": 1,
		})}
}

// undelivered is how many events of functions an observer may be behind. Each counts with an
// int beside it.
var undelivered = 16 << 20 / int(reflect.TypeFor[struct {
	dray.Event
	int
}]().Size())

// dropped has an observer that hangs while there are more events than are kept.
func dropped(s *scene) ([]fields, []record) {
	s.slowObserver = make(chan struct{})
	q := s.made(dray.WithCapacity(dray.Unbounded))
	s.add(q, kit.Nop)
	_ = q.Stats() // collects it, so that there is an event
	s.wait(time.Second)
	const more = 321
	for range undelivered - 1 + more { // one is being delivered
		require.NoError(s, q.Enqueue(s.Context(), kit.Nop))
		_ = q.Stats()
	}
	at := s.wait(time.Second)
	close(s.slowObserver)
	return []fields{{"Time": at, "Name": contains("observer"), "Count": uint64(more)}},
		[]record{line(slog.LevelWarn, "events dropped", fields{"count": uint64(more), "too_slow": contains("observer")})}
}

// droppedEvictions is the same with jobs that are counted in the log, which has to
// add up all the same.
func droppedEvictions(s *scene) ([]fields, []record) {
	s.slowObserver, s.slowLog = make(chan struct{}), make(chan struct{})
	q := s.made(dray.WithCapacity(1), dray.WithOverflow(dray.DropNewest))
	s.add(q, kit.Nop)
	_ = q.Stats()
	s.wait(time.Second)
	s.add(q, kit.Nop) // is logged, and that takes long
	s.wait(time.Second)
	more := undelivered + 4_000 // for the observer each with two events
	for range more {
		require.NoError(s, q.Enqueue(s.Context(), kit.Nop))
	}
	at := s.wait(time.Second)
	close(s.slowLog)
	synctest.Wait()
	close(s.slowObserver)
	synctest.Wait()
	require.NoError(s, q.Close())
	told := undelivered - 1 // and one is being delivered
	missed, missing := more-told, 2*more+2-told
	evicted := func(n int) fields { return fields{"count": uint64(n)} }
	dropped := func(n int, by string) record {
		return line(slog.LevelWarn, "events dropped", fields{"count": uint64(n), "too_slow": contains(by)})
	}
	return []fields{{"Time": at, "Name": contains("observer"), "Count": uint64(missing)}}, []record{
		line(slog.LevelWarn, "jobs evicted", evicted(1)),
		line(slog.LevelWarn, "jobs evicted", evicted(1)), // as a second has passed
		dropped(missed, "log handler"),
		dropped(missing, "observer"),
		line(slog.LevelWarn, "jobs evicted", with(evicted(missed), fields{"reason": "events dropped"})),
		line(slog.LevelWarn, "jobs evicted", evicted(told-1)),
	}
}
