package schedule_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A lockedTask is a task with a lock and a middleware, which sees that the lock is held for as long
// as an attempt lasts.
type lockedTask struct {
	*testing.T
	ledger
	ran   int                     // how often its function was called
	tries int                     // how often the middleware was
	ends  []func(err error) error // what the middleware does with the result of each attempt; nil hands it on
}

func (l *lockedTask) middleware(next dray.Handler) dray.Handler {
	return func(ctx context.Context, j *dray.Job) error {
		if l.tries++; l.tries > 1 {
			l.requireHeld()
		}
		err := next(ctx, j)
		l.requireHeld()
		if l.tries <= len(l.ends) {
			return l.ends[l.tries-1](err)
		}
		return err
	}
}

func (l *lockedTask) requireHeld() {
	_, unlocks, held := l.state()
	require.True(l, held, "given back before the attempt has ended")
	require.Zero(l, unlocks)
}

// started returns a running queue with that task, which may have five attempts, a minute apart. The
// middleware is the queue's or the task's, or both have one.
func (l *lockedTask) started(where string, opts ...dray.TaskOption) *dray.Queue {
	var queue []dray.Option
	if where == "queue" {
		queue = append(queue, dray.WithMiddleware(l.middleware))
	} else {
		opts = append(opts, dray.WithMiddleware(l.middleware))
	}
	if where == "both" {
		queue = append(queue, dray.WithMiddleware(func(next dray.Handler) dray.Handler { return next }))
	}
	q := started(l.T, queue...)
	fn := func(context.Context) error { l.ran++; return nil }
	require.NoError(l, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), fn,
		append(opts, dray.WithLock(&l.ledger), dray.WithMaxAttempts(5), dray.WithBackoff(dray.Constant(time.Minute)))...))
	return q
}

// What counts is how the attempt ends in which the function runs, middleware included: the lock
// is held until then, and if the function has gone well and the attempt has not, for the next.
func TestLockIsHeldOverTheMiddleware(t *testing.T) {
	fails := func(error) error { return kit.ErrBoom }
	exits := func(error) error { runtime.Goexit(); return nil }
	for name, c := range map[string]struct {
		ends   []func(error) error
		ran    int
		failed uint64
	}{
		"well":                  {nil, 1, 0},
		"error":                 {[]func(error) error{fails}, 2, 0},
		"wraps":                 {[]func(error) error{fails, func(err error) error { return errors.Join(err, kit.ErrBoom) }}, 3, 0},
		"snooze":                {[]func(error) error{func(error) error { return dray.Snooze(time.Minute) }}, 2, 0},
		"panic":                 {[]func(error) error{func(error) error { panic("oops") }}, 2, 0},
		"exits":                 {[]func(error) error{exits}, 2, 0},
		"discard":               {[]func(error) error{func(error) error { return dray.Discard(kit.ErrBoom) }}, 1, 1},
		"panic with a discard":  {[]func(error) error{func(error) error { panic(dray.Discard(kit.ErrBoom)) }}, 1, 1},
		"error of all attempts": {[]func(error) error{fails, fails, fails, fails, fails}, 5, 1},
		"panic in the last":     {[]func(error) error{fails, fails, fails, fails, func(error) error { panic("oops") }}, 5, 1},
		"exits in the last":     {[]func(error) error{fails, fails, fails, fails, exits}, 5, 1},
	} {
		for _, where := range []string{"queue", "task", "both"} {
			kit.Bubble(t, name+", of the "+where, func(t *testing.T) {
				l := &lockedTask{T: t, ends: c.ends}
				q := l.started(where)
				require.NoError(t, q.Scheduler().RunNow("x"))
				pass(time.Hour)
				require.Equal(t, c.ran, l.ran)
				locks, unlocks, held := l.state()
				require.Equal(t, []any{1, 1, false}, []any{locks, unlocks, held})
				s := q.Stats()
				require.Equal(t, []uint64{1 - c.failed, c.failed}, []uint64{s.Processed, s.Failed})
				for _, f := range q.Failures() {
					require.NotContains(t, f.Err.Error(), "lost")
				}
			})
		}
	}
}

// A lock that waits for the next attempt, which the middleware has asked for, is given back
// whatever comes instead.
func TestLockBetweenTwoAttemptsOfAMiddleware(t *testing.T) {
	for name, end := range map[string]func(error) error{
		"error":  func(error) error { return kit.ErrBoom },
		"snooze": func(error) error { return dray.Snooze(time.Minute) },
		"panic":  func(error) error { panic("oops") },
		"exits":  func(error) error { runtime.Goexit(); return nil },
	} {
		for what, instead := range map[string]func(t *testing.T, q *dray.Queue){
			"cancelled": cancelAll,
			"evicted": func(t *testing.T, q *dray.Queue) {
				require.NoError(t, q.Pause())
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("x", dray.ReplacePending)))
			},
			"handed back": func(t *testing.T, q *dray.Queue) {
				report, err := q.Shutdown(t.Context())
				require.NoError(t, err)
				require.Len(t, report.Waiting, 1)
			},
		} {
			kit.Bubble(t, name+", "+what, func(t *testing.T) {
				l := &lockedTask{T: t, ends: []func(error) error{end}}
				q := l.started("task", dray.WithUnique("x", dray.ReplacePending))
				require.NoError(t, q.Scheduler().RunNow("x"))
				synctest.Wait()
				l.requireHeld()
				instead(t, q)
				pass(time.Hour)
				locks, unlocks, held := l.state()
				require.Equal(t, []any{1, 1, 1, false}, []any{l.ran, locks, unlocks, held})
			})
		}
	}
}

// serving serves q until the function it returns is called, which has the cause of a restart.
func serving(t *testing.T, q *dray.Queue) (restart func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	served := make(chan error, 1)
	go func() { served <- q.Serve(ctx) }()
	synctest.Wait()
	return func() {
		cancel(dray.ErrRestart)
		require.NoError(t, <-served)
	}
}

// deaf is an attempt that goes on after its timeout, and fails.
func deaf(context.Context) error {
	time.Sleep(2 * time.Hour)
	return kit.ErrBoom
}

// A restart of the queue takes nothing from a run: what it cuts off keeps the lock, also in its
// last attempt and after its timeout. What has given it back has ended, and does not run again.
func TestLockOfARunThatARestartCutsOff(t *testing.T) {
	for name, c := range map[string]struct {
		attempt func(ctx context.Context) error
		unlock  func()
		when    time.Duration // the restart
		ran     int
		failed  uint64
	}{
		"while it runs":          {attempt: untilTold, when: time.Second, ran: 2},
		"after its timeout":      {attempt: deaf, when: 90 * time.Minute, ran: 2},
		"while its lock is left": {attempt: kit.Fail, unlock: func() { time.Sleep(time.Minute) }, when: time.Second, ran: 1, failed: 1},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			l := &ledger{unlock: c.unlock}
			q, err := dray.New(dray.WithShutdownTimeout(time.Hour))
			require.NoError(t, err)
			ran := 0
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(ctx context.Context) error {
				if ran++; ran == 1 {
					return c.attempt(ctx)
				}
				return nil
			}, dray.WithLock(l), dray.WithTimeout(time.Hour)))
			restart := serving(t, q)
			require.NoError(t, q.Scheduler().RunNow("x"))
			pass(c.when)
			restart()
			restart = serving(t, q)
			pass(time.Hour)
			require.Equal(t, c.ran, ran)
			locks, unlocks, held := l.state()
			require.Equal(t, []any{1, 1, false}, []any{locks, unlocks, held})
			require.Equal(t, c.failed, q.Stats().Failed)
			require.Equal(t, 1-c.failed, q.Stats().Processed)
			for _, f := range q.Failures() {
				require.NotContains(t, f.Err.Error(), "lost")
			}
			restart()
			require.NoError(t, q.Close())
		})
	}
}

// A run that has failed and is enqueued again was this instance's, and is not refused its lock.
func TestLockOfARunThatIsRequeued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ran := &ledger{}, 0
		q := started(t)
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(context.Context) error {
			if ran++; ran == 1 {
				return kit.ErrBoom
			}
			return nil
		}, dray.WithLock(l)))
		require.NoError(t, q.Scheduler().RunNow("x"))
		synctest.Wait()
		n, err := q.RequeueAll()
		require.NoError(t, err)
		require.Equal(t, 1, n)
		synctest.Wait()
		locks, unlocks, held := l.state()
		require.Equal(t, []any{2, 1, 1, false}, []any{ran, locks, unlocks, held})
		require.Equal(t, uint64(1), q.Stats().Processed)
	})
}

// A run that was handed back before it has asked for its lock asks where it is restored, and
// holds it over the middleware there. If its function alone is made a job of, that has no
// middleware of it.
func TestLockOfARunThatIsRestored(t *testing.T) {
	for _, byHand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := &lockedTask{T: t}
			q := l.started("task")
			require.NoError(t, q.Pause())
			require.NoError(t, q.Scheduler().RunNow("x"))
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Len(t, report.Waiting, 1)
			if byHand {
				report.Waiting[0] = dray.Leftover{Func: report.Waiting[0].Func}
			}
			require.NoError(t, started(t).Restore(report))
			synctest.Wait()
			locks, unlocks, held := l.state()
			require.Equal(t, []any{1, 1, 1, false}, []any{l.ran, locks, unlocks, held})
			require.Equal(t, !byHand, l.tries == 1)
		})
	}
}
