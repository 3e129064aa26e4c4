package hostile_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/virtual"
)

// inJob is user code that runs as a job, or as a part of one.
func inJob(how string) want {
	switch {
	case throws(how), how == exits:
		return want{"nil", "failed", "JobFailed", "nil", 0}
	case how == blocks:
		return want{"nil", "running", "JobStuck", "ErrStillRunning", 1}
	}
	return want{"nil", "fine", "", "nil", 0}
}

// awaited is the same for a call that waits for the job's end.
func awaited(how string) want {
	w := inJob(how)
	switch {
	case throws(how):
		w.call = "PanicError"
	case how == exits:
		w.call = "Goexit"
	case how == blocks:
		w.call, w.left = "blocks", 2 // the call waits for its job
	}
	return w
}

// inCall is user code that runs on the goroutine of the call that is given it.
func inCall(how string) want {
	w := want{"nil", "fine", "", "nil", 0}
	switch {
	case throws(how):
		w.call = "PanicError"
	case how == exits:
		w.call = "exits"
	case how == blocks:
		w.call, w.left = "blocks", 1
	}
	return w
}

// aside is user code with a goroutine of its own.
func aside(how string) want {
	w := want{"nil", "fine", "", "nil", 0}
	if how == blocks {
		w.shutdown, w.left = "ErrAbandoned", 1
	}
	return w
}

// hostile is a job.
func (w *world) hostile(context.Context) error { w.act(); return nil }

func (w *world) hostileResult(context.Context) (int, error) { w.act(); return 1, nil }

var bg = context.Background()

// rows are the places where user code comes in, by the names that entries gives them.
var rows = map[string]row{
	"Queue.Enqueue(fn)": {want: inJob, call: func(w *world) error { return w.q.Enqueue(bg, w.hostile) }},
	"Queue.EnqueueSync(fn)": {want: inJob, call: func(w *world) error {
		_, err := w.q.EnqueueSync(bg, w.hostile, dray.WithTimeout(3*time.Hour))
		return err
	}},
	"Queue.EnqueueBatch(fns)": {want: inJob, call: func(w *world) error {
		_, err := w.q.EnqueueBatch(bg, []dray.Func{w.hostile})
		return err
	}},
	"Group.Enqueue(fn)": {want: inJob, call: func(w *world) error {
		g, err := dray.NewGroup(w.q)
		require.NoError(w.t, err)
		return g.Enqueue(bg, w.hostile)
	}},
	"WithCompletion(fn)": {want: inJob, call: func(w *world) error {
		g, err := dray.NewGroup(w.q, dray.WithCompletion(func(context.Context, error) error { w.act(); return nil }))
		require.NoError(w.t, err)
		require.NoError(w.t, g.Enqueue(bg, w.count("member")))
		return g.Wait(bg)
	}},
	"Handle(fn)": {want: inJob, call: func(w *world) error {
		k, err := dray.Handle(w.q, "kind", func(context.Context, string) error { w.act(); return nil })
		require.NoError(w.t, err)
		return k.Enqueue(bg, "payload")
	}},
	"Submit(fn)": {want: awaited, call: func(w *world) error {
		task, err := dray.Submit(bg, w.q, w.hostileResult)
		require.NoError(w.t, err)
		_, err = task.Wait(bg)
		return err
	}},
	"Run(fn)": {want: awaited, call: func(w *world) error { _, err := dray.Run(bg, w.q, w.hostileResult); return err }},
	"Leftover(Func)": {want: inJob, call: func(w *world) error {
		return w.q.Restore(dray.Report{Waiting: []dray.Leftover{{Func: w.hostile}}})
	}},
	"Scheduler.Schedule(fn)": {want: inJob, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", dray.Every(time.Minute), w.hostile)
	}},
	"WithPeriodic(fn)": {
		want: inJob,
		options: func(w *world) []dray.Option {
			return []dray.Option{dray.WithPeriodic("hostile", dray.Every(time.Minute), w.hostile)}
		},
		call: func(*world) error { return nil },
	},
	"WithBackoff(b)": {
		call: func(w *world) error {
			return w.q.Enqueue(bg, returning(errMine), dray.WithMaxAttempts(2), dray.WithBackoff(func(int) time.Duration { w.act(); return 0 }))
		},
		want: func(how string) want { // throwing costs a second, and the job fails by its own
			if how == blocks {
				return inJob(how)
			}
			return want{"nil", "failed", "JobFailed", "nil", 0}
		},
	},
	"WithMiddleware(ms)": {
		want: inJob,
		options: func(w *world) []dray.Option {
			return []dray.Option{dray.WithMiddleware(func(next dray.Handler) dray.Handler {
				return func(ctx context.Context, j *dray.Job) error {
					if j.Label == "hostile" {
						w.act()
					}
					return next(ctx, j)
				}
			})}
		},
		call: func(w *world) error { return w.q.Enqueue(bg, returning(nil), dray.WithLabel("hostile")) },
	},
	"Middleware": {want: inCall, call: func(w *world) error {
		return w.q.Enqueue(bg, w.count("never"), dray.WithMiddleware(func(next dray.Handler) dray.Handler { w.act(); return next }))
	}},
	"GroupOption": {want: inCall, call: func(w *world) error {
		_, err := dray.NewGroup(w.q, func(*dray.Group) error { w.act(); return nil })
		return err
	}},
	"WithRateLimit(l)": {
		call: func(w *world) error {
			return w.q.Enqueue(bg, w.count("limited"), dray.WithRateLimit(&limiter{w}))
		},
		want: func(how string) want {
			w := want{"nil", "fine", "", "nil", 0}
			switch {
			case throws(how), how == exits:
				w.event = "RateLimitFailed"
			case how == blocks: // as a job that never returns: the drain is cut short by its context
				w.job, w.shutdown, w.left = "pending", "ErrAbandoned", 1
			}
			return w
		},
	},
	"WithObserver(o)": {
		want:    aside,
		options: func(w *world) []dray.Option { return []dray.Option{dray.WithObserver(func(dray.Event) { w.act() })} },
		call:    func(*world) error { return nil },
	},
	"WithLogger(l)": {
		want: aside, logs: true,
		options: func(w *world) []dray.Option { return []dray.Option{dray.WithLogger(slog.New(handler{w, "Handle"}))} },
		call:    func(*world) error { return nil },
	},
	"Discard(err)": {
		want: failing,
		call: func(w *world) error {
			return w.q.Enqueue(bg, func(context.Context) error { return dray.Discard(&methods{error: w.act}) }, dray.WithMaxAttempts(3))
		},
	},
	"PanicError(Value)": {
		want: failing,
		call: func(w *world) error {
			return w.q.Enqueue(bg, func(context.Context) error { return &dray.PanicError{Value: text{w}} })
		},
	},
	"Pool.Run(fn)":      {call: func(w *world) error { return w.inPool(func(p *dray.Pool) error { return p.Run(bg, w.hostile) }) }, want: inPool(awaited)},
	"Pool.RunAsync(fn)": {call: func(w *world) error { return w.inPool(func(p *dray.Pool) error { return p.RunAsync(w.hostile) }) }, want: inPool(inJob)},
}

// failing is user code in what a job that fails returns.
func failing(how string) want {
	if how == blocks {
		return inJob(how)
	}
	return want{"nil", "failed", "JobFailed", "nil", 0}
}

// inPool is a call of a pool, which has no part in the queue's books.
func inPool(of func(string) want) func(string) want {
	return func(how string) want {
		w := of(how)
		w.job, w.event, w.shutdown, w.left = "fine", "", "nil", 0
		if how == blocks {
			w.left = 2 // the worker and the call
			if w.call == "nil" {
				w.left = 1
			}
		}
		return w
	}
}

func (w *world) inPool(do func(*dray.Pool) error) error {
	p, err := dray.NewPool(2, dray.WithShutdownTimeout(time.Second))
	require.NoError(w.t, err)
	go func() {
		virtual.Sleep(2 * time.Hour)
		require.NoError(w.t, p.RunAsync(w.count("beside it in the pool")))
		virtual.Sleep(time.Second)
		_ = p.Close()
	}()
	return do(p)
}

type limiter struct{ w *world }

func (l *limiter) Wait(context.Context) error { l.w.act(); return nil }

// text is a value with a hostile String.
type text struct{ w *world }

func (s text) String() string { s.w.act(); return "text" }

// handler is a log handler one of whose methods is hostile.
type handler struct {
	w      *world
	method string
}

func (h handler) may(method string) {
	if h.method == method {
		h.w.act()
	}
}

func (h handler) Enabled(context.Context, slog.Level) bool  { h.may("Enabled"); return true }
func (h handler) Handle(context.Context, slog.Record) error { h.may("Handle"); return nil }
func (h handler) WithAttrs([]slog.Attr) slog.Handler        { h.may("WithAttrs"); return h }
func (h handler) WithGroup(string) slog.Handler             { h.may("WithGroup"); return h }

// Each place with each misbehaviour: it hurts its own job or call, costs what it holds,
// and nothing else.
func TestHostileCode(t *testing.T) {
	for name, r := range allRows() {
		t.Run(name, func(t *testing.T) {
			for _, how := range misbehaviours {
				t.Run(how, func(t *testing.T) { play(t, r, how) })
			}
		})
	}
}
