package draytest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

func nop(context.Context) error { return nil }

// A trial is a test that is watched: what it complains about is kept.
type trial struct {
	testing.TB
	cleanups   []func()
	complaints []string
}

func (t *trial) Helper()          {}
func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *trial) Errorf(format string, args ...any) {
	t.complaints = append(t.complaints, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// try runs f as a test with its cleanups, and returns what was complained about.
func try(f func(t testing.TB)) string {
	t := &trial{}
	for _, f := range []func(){func() { f(t) }, func() {
		for _, c := range slices.Backward(t.cleanups) {
			c()
		}
	}} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	return strings.Join(t.complaints, "\n")
}

func TestNewIsContentWithACleanEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Empty(t, try(func(t testing.TB) {
			q := draytest.New(t)
			_ = q.Enqueue(context.Background(), draytest.Slow(time.Second))
			_ = q.Enqueue(context.Background(), draytest.Failing(-1, errBoom))
		}))
	})
}

func TestNewFindsWhatIsLeft(t *testing.T) {
	leaky := func(context.Context) error {
		go func() { time.Sleep(time.Minute) }()
		return nil
	}
	leakyChild := func(context.Context) error {
		go func() { go time.Sleep(time.Minute); time.Sleep(time.Minute) }()
		return nil
	}
	for _, c := range []struct {
		name string
		job  dray.Func
		opts []dray.JobOption
		want string
	}{
		{"delayed", nop, []dray.JobOption{dray.WithDelay(time.Hour), dray.WithLabel("x")}, "job 1 (x, delayed)"},
		{"retrying", draytest.Failing(-1, errBoom), []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))},
			"job 1 (retrying, last error: boom)"},
		{"interrupted", draytest.Slow(time.Hour), nil, "job 1 (pending"},
		{"abandoned", draytest.Stubborn(time.Hour, nil), nil, "which does not return"},
		{"leak", leaky, nil, "time.Sleep"},
		{"leak of a leak", leakyChild, nil, "left behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.Contains(t, try(func(t testing.TB) {
					_ = draytest.New(t).Enqueue(context.Background(), c.job, c.opts...)
					synctest.Wait()
				}), c.want)
				time.Sleep(time.Hour)
			})
		})
	}
}

// A mute is a schedule that does not say its words.
type mute struct{}

func (mute) Next(after time.Time) time.Time { return after.Add(time.Hour) }

func (mute) String() string {
	time.Sleep(time.Hour)
	return ""
}

// What dray has started for a job is no leak of the job: the schedule keeps that goroutine.
func TestNewKnowsTheGoroutinesOfDray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Empty(t, try(func(t testing.TB) {
			q := draytest.New(t, dray.WithPeriodic("mute", mute{}, nop))
			_ = q.Enqueue(context.Background(), func(context.Context) error { _ = q.Scheduler().Tasks(); return nil })
			draytest.Drain(t, q)
		}))
		time.Sleep(time.Hour)
	})
}

func TestBadOptionsFailTheTest(t *testing.T) {
	require.Contains(t, try(func(t testing.TB) { draytest.New(t, dray.WithWorkers(0)) }), "0 workers")
	require.Contains(t, try(func(t testing.TB) { draytest.NewManual(t, nil) }), "nil option")
}

type mail struct{ To string }

func TestRequireEnqueued(t *testing.T) {
	m := draytest.NewManual(t)
	k, err := dray.Handle(m.Queue, "mail", func(context.Context, mail) error { return nil })
	require.NoError(t, err)
	draytest.RequireNotEnqueued[mail](t, m.Queue, "mail")
	for _, to := range []string{"ada", "bob", "ada"} {
		require.NoError(t, k.Enqueue(t.Context(), mail{to}, dray.WithUnique(to, dray.KeepExisting)))
	}
	require.Equal(t, []mail{{"ada"}, {"bob"}}, draytest.Enqueued[mail](t, m.Queue, "mail"), "what came to nothing is not counted")
	require.Equal(t, mail{"ada"}, draytest.RequireEnqueued[mail](t, m.Queue, "mail"))
	require.Equal(t, mail{"bob"}, draytest.RequireEnqueued(t, m.Queue, "mail", draytest.Is(mail{"bob"})))
	require.Contains(t, try(func(t testing.TB) { draytest.RequireEnqueued(t, m.Queue, "mail", draytest.Is(mail{"eve"})) }), "{To:bob}")
	require.Contains(t, try(func(t testing.TB) { draytest.RequireEnqueued[mail](t, m.Queue, "letter") }), "none")
	require.Contains(t, try(func(t testing.TB) { draytest.RequireNotEnqueued[mail](t, m.Queue, "mail") }), "ada")
	require.Contains(t, try(func(t testing.TB) { draytest.RequireEnqueued[int](t, m.Queue, "mail") }), "draytest_test.mail, not a int")
	other, err := dray.New()
	require.NoError(t, err)
	require.Contains(t, try(func(t testing.TB) { draytest.Enqueued[mail](t, other, "mail") }), "not made by draytest")
}

func TestManual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := draytest.NewManual(t)
		require.False(t, m.Next())
		var got []string
		note := func(s string) dray.Func {
			return func(context.Context) error { got = append(got, s); return nil }
		}
		enqueue := func(fn dray.Func, opts ...dray.JobOption) { require.NoError(t, m.Enqueue(t.Context(), fn, opts...)) }
		enqueue(note("a"))
		enqueue(draytest.Exiting())
		enqueue(draytest.Panicking("b"))
		enqueue(func(ctx context.Context) error { return m.Enqueue(ctx, note("d")) })
		enqueue(note("c"), dray.WithDelay(time.Second))
		require.True(t, m.Next())
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 4, m.All(), "with the one that a job has enqueued")
		time.Sleep(time.Second)
		require.Equal(t, 1, m.All())
		require.Equal(t, []string{"a", "d", "c"}, got)
		s := draytest.RequireSettled(t, m.Queue)
		require.Equal(t, []uint64{4, 2}, []uint64{s.Processed, s.Failed})
		enqueue(draytest.Slow(time.Hour), dray.WithTimeout(time.Minute))
		enqueue(nop)
		require.True(t, m.Next())
		require.Equal(t, uint64(3), m.Stats().Failed)
		require.Contains(t, try(func(t testing.TB) { draytest.RequireSettled(t, m.Queue) }), "(pending)")
		require.NoError(t, m.Close())
		require.False(t, m.Next(), "a closed queue runs nothing")
	})
}

func TestManualOfAStartedQueue(t *testing.T) {
	require.Contains(t, try(func(t testing.TB) {
		m := draytest.NewManual(t)
		_ = m.Start()
		m.Next()
	}), "was started")
}

func TestInline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.NewInline(t)
		n := 0
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
			n++
			return q.Enqueue(ctx, func(context.Context) error { n++; return nil })
		}))
		require.Equal(t, 2, n)
		got, err := dray.Run(t.Context(), q, func(context.Context) (int, error) { return 7, nil })
		require.NoError(t, err)
		require.Equal(t, 7, got)
		require.NoError(t, q.Pause())
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { n++; return nil }))
		require.Equal(t, 2, n)
		require.NoError(t, q.Resume())
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { n++; return nil }))
		require.Equal(t, 4, n)
	})
}

// Whoever enqueues, no job stays behind.
func TestInlineOfMany(t *testing.T) {
	q := draytest.NewInline(t)
	var ran atomic.Int64
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 100 {
				_ = q.Enqueue(context.Background(), func(context.Context) error { ran.Add(1); return nil })
			}
		}()
	}
	for range 8 {
		<-done
	}
	require.Equal(t, int64(800), ran.Load())
	draytest.RequireSettled(t, q)
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithWorkers(2))
		for _, opts := range [][]dray.JobOption{nil, {dray.WithDelay(240 * time.Hour)}, {dray.WithMaxAttempts(4)}} {
			require.NoError(t, q.Enqueue(t.Context(), draytest.Failing(3, errBoom), opts...))
		}
		require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		s := draytest.Drain(t, q)
		require.Equal(t, []uint64{2, 2, 3}, []uint64{s.Processed, s.Failed, s.Retried})
		require.NoError(t, q.Pause())
		require.NoError(t, q.Enqueue(t.Context(), nop))
		require.Contains(t, try(func(t testing.TB) { draytest.Drain(t, q) }), "nothing will start")
		require.NoError(t, q.Resume())
		m := draytest.NewManual(t)
		require.NoError(t, m.Enqueue(t.Context(), nop))
		require.Contains(t, try(func(t testing.TB) { draytest.Drain(t, m.Queue) }), "nothing will start")
	})
}

func TestDrainInRealTime(t *testing.T) {
	q := draytest.New(t)
	for range 100 {
		require.NoError(t, q.Enqueue(t.Context(), nop))
	}
	require.Equal(t, uint64(100), draytest.Drain(t, q).Processed)
}

func TestCrashOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithWorkers(1))
		job, open := draytest.Gate()
		require.NoError(t, q.Enqueue(t.Context(), job))
		synctest.Wait() // it runs: workers start no job while the tree is restarted
		for i := range uint64(3) {
			draytest.CrashOwner(t, q)
			require.Equal(t, i+1, q.Stats().Restarts)
			require.NoError(t, q.Enqueue(t.Context(), job))
		}
		draytest.CrashOwner(t, q)
		require.ErrorIs(t, q.Enqueue(t.Context(), job), dray.ErrClosed, "the fourth in 5 s is one too many")
		open()
		report, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorContains(t, err, draytest.Crashed)
		require.Len(t, report.Waiting, 3)
		require.Contains(t, try(func(t testing.TB) { draytest.CrashOwner(t, q) }), "not running")
		require.NoError(t, draytest.New(t).Restore(report))
	})
}

func TestCrashOwnerInRealTime(t *testing.T) {
	q := draytest.New(t)
	draytest.CrashOwner(t, q)
	require.Equal(t, uint64(1), q.Stats().Restarts)
}

func TestCrashWorker(t *testing.T) {
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			q := draytest.New(t, dray.WithWorkers(workers))
			died := draytest.CrashWorker(t, q)
			for range 10 {
				require.NoError(t, q.Enqueue(t.Context(), nop))
			}
			<-died
			s := draytest.Drain(t, q)
			require.Equal(t, []uint64{10, 0}, []uint64{s.Processed, s.Restarts})
		})
	}
}

func TestFailingJobs(t *testing.T) {
	f := draytest.Failing(2, errBoom)
	require.ErrorIs(t, f(t.Context()), errBoom)
	require.ErrorIs(t, f(t.Context()), errBoom)
	require.NoError(t, f(t.Context()))
	require.PanicsWithValue(t, 1, func() { _ = draytest.Panicking(1)(t.Context()) })
}
