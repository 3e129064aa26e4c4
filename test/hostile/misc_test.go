package hostile_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A call that waits for room has asked its context before, so that one that throws or
// calls dray wedges nobody, and the end of the queue comes as ever.
func TestContextOfACallThatWaitsForRoom(t *testing.T) {
	for _, method := range []string{"Value", "Done", "Err"} {
		for _, how := range misbehaviours {
			t.Run(method+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &world{t: t, how: how, gate: make(chan struct{}), innocent: map[string]int{}}
					defer close(w.gate)
					q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block),
						dray.WithPeriodic("innocent", dray.Every(10*time.Minute), w.count("run")))
					require.NoError(t, err)
					w.q = q
					require.NoError(t, q.Pause())
					require.NoError(t, q.Start())
					require.NoError(t, q.Enqueue(bg, w.count("first")))
					calls := make(chan error, 2)
					go func() { calls <- q.Enqueue(hostileContext{bg, w, method}, w.count("second"), dray.WithLabel("x")) }()
					go func() { calls <- q.Enqueue(bg, w.count("third"), dray.WithPriority(dray.Low)) }()
					time.Sleep(time.Second)
					_ = q.Resume()
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					if how != closesItself {
						require.Equal(t, 1, w.times("first"))
						require.Equal(t, 1, w.times("third"))
					}
					want := 2
					if how == exits || how == blocks {
						want = 1
					}
					require.Len(t, calls, want)
					if throws(how) {
						require.ElementsMatch(t, []string{"nil", "PanicError"}, []string{describe(<-calls), describe(<-calls)})
					}
					require.NoError(t, q.Close())
				})
			})
		}
	}
}

// A context may say that it has ended and nothing else; no call takes that for success.
type ended struct {
	context.Context
	done chan struct{}
}

func (e ended) Done() <-chan struct{} { return e.done }

func TestContextThatEndsWithoutAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		require.NoError(t, err)
		ctx := ended{bg, make(chan struct{})}
		close(ctx.done)
		nop := func(context.Context) error { return nil }
		require.NoError(t, q.Enqueue(ctx, nop))
		require.ErrorIs(t, q.Enqueue(ctx, nop), context.Canceled)
		_, err = q.EnqueueSync(ctx, nop)
		require.ErrorIs(t, err, context.Canceled)
		n, err := q.EnqueueBatch(ctx, []dray.Func{nop})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, n)
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		require.NoError(t, q.Close())
		_ = g
	})
}

// A group ends whatever the errors of its jobs are, and with it those of the same step.
func TestGroupWithHostileErrorsAndAShutdown(t *testing.T) {
	for _, how := range []string{panics, exits, callsBack, takesAnHour} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, err := dray.New(dray.WithWorkers(1))
				require.NoError(t, err)
				w := &world{t: t, how: how, q: q, innocent: map[string]int{}}
				completion := dray.WithCompletion(func(context.Context, error) error { return nil })
				group := func() *dray.Group {
					g, err := dray.NewGroup(q, completion)
					require.NoError(t, err)
					return g
				}
				hostile, innocent := group(), group()
				require.NoError(t, hostile.Enqueue(bg, returning(w.err("Is"))))
				for _, g := range []*dray.Group{hostile, innocent} {
					require.NoError(t, g.Enqueue(bg, w.count("late"), dray.WithDelay(24*time.Hour)))
					g.Close()
				}
				require.NoError(t, q.Start())
				time.Sleep(2 * time.Hour)
				report, err := q.Shutdown(bg)
				require.NoError(t, err)
				require.GreaterOrEqual(t, len(report.Waiting), 2)
				for _, g := range []*dray.Group{hostile, innocent} {
					<-g.Done()
					require.ErrorIs(t, g.Wait(bg), dray.ErrShutdown)
				}
			})
		})
	}
}

// A middleware that keeps next, and runs it when its job has ended, runs that job and
// no other, whose call has long gone on.
func TestMiddlewareThatRunsAJobLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late []func()
		q, err := dray.New(dray.WithMiddleware(func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error {
				late = append(late, func() { _ = next(ctx, j) })
				_ = next(ctx, j)
				return next(ctx, j) // and twice
			}
		}))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		var runs [3]atomic.Int64
		for i := range runs {
			v, err := dray.Run(bg, q, func(context.Context) (int, error) { runs[i].Add(1); return i, nil })
			require.NoError(t, err)
			require.Equal(t, i, v)
			for _, f := range late {
				go f()
			}
			synctest.Wait()
		}
		require.EqualValues(t, 5, runs[0].Load())
		require.EqualValues(t, 4, runs[1].Load())
		require.EqualValues(t, 3, runs[2].Load())
		s := q.Stats()
		require.EqualValues(t, 3, s.Processed)
		require.NoError(t, q.Close())
	})
}

// A middleware that does not call next has done the job.
func TestMiddlewareThatKeepsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithMiddleware(func(dray.Handler) dray.Handler {
			return func(context.Context, *dray.Job) error { return nil }
		}))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		require.NoError(t, q.Enqueue(bg, func(context.Context) error { t.Error("run"); return nil }))
		synctest.Wait()
		require.EqualValues(t, 1, q.Stats().Processed)
		_, err = dray.New(dray.WithMiddleware(func(dray.Handler) dray.Handler { return nil }))
		require.ErrorIs(t, err, dray.ErrNilFunc)
		require.NoError(t, q.Close())
	})
}

type (
	nanLimiter struct{ rate float64 }
	anyLimiter struct{ v any }
	nilLimiter struct{ n int }
)

func (nanLimiter) Wait(context.Context) error    { return nil }
func (anyLimiter) Wait(context.Context) error    { return nil }
func (l *nilLimiter) Wait(context.Context) error { l.n++; return nil }

// A limiter that is not the same as itself would get a place of its own for each job;
// one that has no equality would throw when it is looked up. Both are told at once.
func TestLimitersThatCannotBeTold(t *testing.T) {
	for name, l := range map[string]dray.Limiter{
		"NaN":          nanLimiter{math.NaN()},
		"NaN within":   anyLimiter{[2]any{1, math.NaN()}},
		"func within":  anyLimiter{func() {}},
		"slice within": anyLimiter{struct{ v any }{[]int{}}},
		"a map":        anyLimiter{map[string]int{}},
		"nil":          (*nilLimiter)(nil),
	} {
		_, err := dray.New(dray.WithRateLimit(l))
		require.Error(t, err, name)
	}
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithRateLimit(struct{ *nilLimiter }{}), dray.WithShutdownTimeout(time.Second))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		require.NoError(t, q.Enqueue(bg, returning(nil)))
		time.Sleep(time.Minute)
		report, err := q.Shutdown(bg) // its answer was an error: see WithRateLimit
		require.NoError(t, err)
		require.Len(t, report.Waiting, 1)
	})
}

// goroutineLabels returns the labels of all goroutines whose stack has text in it, but
// the test's own.
func goroutineLabels(text string) (labels []string) {
	var buf bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&buf, 1)
	for g := range strings.SplitSeq(buf.String(), "\n\n") {
		if strings.Contains(g, text) && strings.Contains(g, "labels:") && !strings.Contains(g, "testing.tRunner") {
			labels = append(labels, g)
		}
	}
	return labels
}

// label gives the goroutine pprof labels.
func label(whose string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(bg, pprof.Labels("whose", whose)))
}

const (
	callers    = "the caller's"
	leftBehind = "left behind"
)

// enough is how often one piece of code is looked at, before and after labels were left
// behind, as each look stops the process.
const enough = 2

type look struct {
	what, whose string
	after       bool
}

// requireNotLabelled asserts that the goroutine has no such labels if dray has started it;
// none at all without a name. It does so where labels are left behind, and the first few times.
func (w *world) requireNotLabelled(what, whose string) {
	if w.how != leavesLabels {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := look{what, whose, w.asked.Load()}
	if w.looks[l] == enough || !startedByDray() {
		return
	}
	if w.looks == nil {
		w.looks = map[look]int{}
	}
	w.looks[l]++
	for _, got := range w.labelsHere() {
		if strings.Contains(got, whose) {
			w.t.Errorf("%s has labels: %s", what, got)
		}
	}
}

// labelsHere is a function of its own, to be found by its name. Only one goroutine is in
// it, as it is called under mu.
//
//go:noinline
func (*world) labelsHere() []string { return goroutineLabels("hostile_test.(*world).labelsHere") }

// startedByDray reports whether the goroutine is not one of the tests' own.
func startedByDray() bool {
	buf := make([]byte, 64<<10)
	stack := string(buf[:runtime.Stack(buf, false)])
	_, creator, ok := strings.Cut(stack, "\ncreated by ")
	return ok && strings.HasPrefix(creator, "github.com/a622d8ee/dray") && !strings.HasPrefix(creator, "github.com/a622d8ee/dray/test/")
}

// labelsOfObserver is a function of its own, to be found by its name.
//
//go:noinline
func labelsOfObserver() []string { return goroutineLabels("hostile_test.labelsOfObserver") }

// labelsOfJob is as labelsOfObserver.
//
//go:noinline
func labelsOfJob(context.Context) ([]string, error) {
	return goroutineLabels("hostile_test.labelsOfJob"), nil
}

// What runs has the pprof labels that it gives itself: not those of the call that
// started its goroutine, and not those of the job before. A goroutine has those of the
// call until its first statement, so nothing is looked at before all have come to rest.
func TestLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		labelled := func() { pprof.SetGoroutineLabels(pprof.WithLabels(bg, pprof.Labels("tenant", "a"))) }
		labelled()
		defer pprof.SetGoroutineLabels(bg)
		events := make(chan []string, 100)
		q, err := dray.New(dray.WithWorkers(1), dray.WithLogger(slog.New(slog.DiscardHandler)), dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.WorkerStarted {
				events <- labelsOfObserver()
			}
		}))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		synctest.Wait() // else another goroutine would start the worker
		got, err := dray.Run(bg, q, labelsOfJob)
		require.NoError(t, err)
		require.Empty(t, got)
		require.Empty(t, <-events)
		look := func(context.Context) ([]string, error) { return goroutineLabels("a622d8ee/dray."), nil }
		for range 2 {
			labelled()
			require.NoError(t, q.Pause())
			task, err := dray.Submit(bg, q, look)
			require.NoError(t, err)
			require.NoError(t, q.Enqueue(bg, func(context.Context) error { labelled(); return nil }))
			require.NoError(t, q.Enqueue(bg, func(context.Context) error { labelled(); panic("x") }))
			require.NoError(t, q.Enqueue(bg, func(context.Context) error { labelled(); return errMine }))
			synctest.Wait()
			pprof.SetGoroutineLabels(bg)
			require.NoError(t, q.Resume())
			got, err := task.Wait(bg)
			require.NoError(t, err)
			require.Empty(t, got)
			got, err = dray.Run(bg, q, look)
			require.NoError(t, err)
			require.Empty(t, got)
		}
		require.NoError(t, q.Close())
	})
}

// doneThrows is a context whose Done panics.
type doneThrows struct{ context.Context }

func (doneThrows) Done() <-chan struct{} { panic("thrown") }

// A call that may have to wait asks its context before it does anything.
func TestContextOfACallThatMayWait(t *testing.T) {
	nop := func(context.Context) error { return nil }
	q, err := dray.New(dray.WithCapacity(1), dray.WithOverflow(dray.Block))
	require.NoError(t, err)
	kind, err := dray.Handle(q, "kind", func(context.Context, int) error { return nil })
	require.NoError(t, err)
	for name, call := range map[string]func(context.Context) error{
		"Enqueue":      func(ctx context.Context) error { return q.Enqueue(ctx, nop, dray.WithLabel("x")) },
		"EnqueueSync":  func(ctx context.Context) error { _, err := q.EnqueueSync(ctx, nop, dray.WithLabel("x")); return err },
		"Kind.Enqueue": func(ctx context.Context) error { return kind.Enqueue(ctx, 1) },
		"EnqueueBatch": func(ctx context.Context) error {
			_, err := q.EnqueueBatch(ctx, []dray.Func{nop}, dray.WithLabel("x"))
			return err
		},
		"Kind.EnqueueBatch": func(ctx context.Context) error { _, err := kind.EnqueueBatch(ctx, []int{1}); return err },
		"Submit": func(ctx context.Context) error {
			_, err := dray.Submit(ctx, q, func(context.Context) (int, error) { return 1, nil })
			return err
		},
	} {
		var p *dray.PanicError
		require.ErrorAs(t, call(doneThrows{bg}), &p, name)
	}
	require.Zero(t, q.Stats().Enqueued)
	require.NoError(t, q.Close())
}

// A nil queue is an error, not a panic.
func TestNilQueue(t *testing.T) {
	_, err := dray.Handle[int](nil, "k", func(context.Context, int) error { return nil })
	require.ErrorContains(t, err, "nil queue")
	one := func(context.Context) (int, error) { return 1, nil }
	_, err = dray.Submit(t.Context(), nil, one)
	require.ErrorContains(t, err, "nil queue")
	_, err = dray.Run(t.Context(), nil, one)
	require.ErrorContains(t, err, "nil queue")
}
