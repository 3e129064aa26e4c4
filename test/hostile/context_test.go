package hostile_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// hostileContext is a context one of whose methods is hostile.
type hostileContext struct {
	context.Context
	w      *world
	method string
}

func (c hostileContext) may(method string) {
	if c.method == method {
		c.w.act()
	}
}

func (c hostileContext) Value(key any) any           { c.may("Value"); return c.Context.Value(key) }
func (c hostileContext) Done() <-chan struct{}       { c.may("Done"); return c.Context.Done() }
func (c hostileContext) Err() error                  { c.may("Err"); return c.Context.Err() }
func (c hostileContext) Deadline() (time.Time, bool) { c.may("Deadline"); return c.Context.Deadline() }

// contexts are the calls that take one.
var contexts = map[string]func(w *world, ctx context.Context) error{
	"Queue.Enqueue(ctx)": func(w *world, ctx context.Context) error { return w.q.Enqueue(ctx, w.count("x")) },
	"Queue.Enqueue(ctx), values": func(w *world, ctx context.Context) error {
		return w.q.Enqueue(ctx, w.count("x"), dray.WithContextValues())
	},
	"Queue.EnqueueSync(ctx)": func(w *world, ctx context.Context) error {
		_, err := w.q.EnqueueSync(ctx, w.count("x"))
		return err
	},
	"Queue.EnqueueBatch(ctx)": func(w *world, ctx context.Context) error {
		_, err := w.q.EnqueueBatch(ctx, []dray.Func{w.count("x")})
		return err
	},
	"Kind.Enqueue(ctx)":     func(w *world, ctx context.Context) error { return w.kind().Enqueue(ctx, 1) },
	"Kind.EnqueueSync(ctx)": func(w *world, ctx context.Context) error { _, err := w.kind().EnqueueSync(ctx, 1); return err },
	"Kind.EnqueueBatch(ctx)": func(w *world, ctx context.Context) error {
		_, err := w.kind().EnqueueBatch(ctx, []int{1})
		return err
	},
	"Group.Enqueue(ctx)": func(w *world, ctx context.Context) error { return w.group().Enqueue(ctx, w.count("x")) },
	"Group.Wait(ctx)":    func(w *world, ctx context.Context) error { return w.group().Wait(ctx) },
	"Submit(ctx)": func(w *world, ctx context.Context) error {
		_, err := dray.Submit(ctx, w.q, func(context.Context) (int, error) { return 1, nil })
		return err
	},
	"Task.Wait(ctx)": func(w *world, ctx context.Context) error {
		task, err := dray.Submit(bg, w.q, func(context.Context) (int, error) { return 1, nil })
		require.NoError(w.t, err)
		_, err = task.Wait(ctx)
		return err
	},
	"Run(ctx)": func(w *world, ctx context.Context) error {
		_, err := dray.Run(ctx, w.q, func(context.Context) (int, error) { return 1, nil })
		return err
	},
	"Queue.Shutdown(ctx)": func(w *world, ctx context.Context) error {
		q := w.other()
		defer func() { _ = q.Close() }()
		_, err := q.Shutdown(ctx)
		return err
	},
	"Queue.Serve(ctx)": func(w *world, ctx context.Context) error {
		q := w.other()
		defer func() { _ = q.Close() }()
		return q.Serve(forAnHour(ctx, w))
	},
	"Pool.Run(ctx)": func(w *world, ctx context.Context) error {
		p := w.pool()
		defer func() { _ = p.Close() }()
		return p.Run(ctx, w.count("x"))
	},
	"Pool.Serve(ctx)": func(w *world, ctx context.Context) error {
		p := w.pool()
		defer func() { _ = p.Close() }()
		return p.Serve(forAnHour(ctx, w))
	},
	"Supervisor.Serve(ctx)": func(w *world, ctx context.Context) error {
		s, err := dray.NewSupervisor(dray.OneForOne)
		require.NoError(w.t, err)
		return s.Serve(forAnHour(ctx, w))
	},
	"Supervisor.Boot(ctx)": func(w *world, ctx context.Context) error {
		s, err := dray.NewSupervisor(dray.OneForOne)
		require.NoError(w.t, err)
		ended, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		if err := s.Boot(ctx); err != nil {
			return err
		}
		return s.Serve(ended)
	},
	"JobFrom(ctx)":  func(_ *world, ctx context.Context) error { return passed(func() { dray.JobFrom(ctx) }) },
	"TaskFrom(ctx)": func(_ *world, ctx context.Context) error { return passed(func() { _, _, _ = dray.TaskFrom(ctx) }) },
	"Progress(ctx)": func(_ *world, ctx context.Context) error { return passed(func() { dray.Progress(ctx, 1, 2) }) },
}

// passed returns what f panics with: those that return no error let the caller have it.
func passed(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &dray.PanicError{Value: v}
		}
	}()
	f()
	return nil
}

// forAnHour lets a hostile context end.
func forAnHour(ctx context.Context, w *world) context.Context {
	h := ctx.(hostileContext)
	inner, cancel := context.WithTimeout(bg, time.Hour)
	w.t.Cleanup(cancel)
	h.Context = inner
	return h
}

func (w *world) kind() *dray.Kind[int] {
	k, err := dray.Handle(w.q, "kind", func(context.Context, int) error { return nil })
	require.NoError(w.t, err)
	return k
}

func (w *world) group() *dray.Group {
	g, err := dray.NewGroup(w.q)
	require.NoError(w.t, err)
	return g
}

func (w *world) pool() *dray.Pool {
	p, err := dray.NewPool(1)
	require.NoError(w.t, err)
	return p
}

func (w *world) other() *dray.Queue {
	q, err := dray.New()
	require.NoError(w.t, err)
	return q
}
