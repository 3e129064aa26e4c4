package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// allRows are those of the table and those made from a pattern.
func allRows() map[string]row {
	all := maps.Clone(rows)
	for place, call := range contexts {
		for _, method := range []string{"Value", "Done", "Err", "Deadline"} {
			all[place+"/"+method] = row{want: inCall, rare: true, call: func(w *world) error {
				return call(w, hostileContext{bg, w, method})
			}}
		}
	}
	for place, call := range options {
		all[place] = row{rare: true, want: func(string) want { return want{"PanicError", "fine", "", "nil", 0} }, call: func(w *world) error { return call(w, nilOption{}) }}
	}
	for _, m := range []string{"Error", "Unwrap", "As", "Is", "LogValue"} {
		all["Func/error."+m] = row{want: failing, rare: m == "LogValue", call: func(w *world) error {
			return w.q.Enqueue(bg, returning(w.err(m)), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second)))
		}}
		all["Func/panic."+m] = row{want: failing, rare: m == "LogValue", call: func(w *world) error {
			return w.q.Enqueue(bg, func(context.Context) error { panic(w.err(m)) })
		}}
		all["Limiter.Wait/error."+m] = row{rare: m == "LogValue", want: limited, call: func(w *world) error {
			return w.q.Enqueue(bg, w.count("limited"), dray.WithRateLimit(&failsOnce{err: w.err(m)}))
		}}
	}
	for _, m := range []string{"String", "GoString", "Format"} {
		all["Func/panic."+m] = row{want: failing, rare: m == "GoString", call: func(w *world) error {
			return w.q.Enqueue(bg, func(context.Context) error { panic(w.value(m)) })
		}}
	}
	for _, m := range []string{"Enabled", "WithAttrs", "WithGroup"} {
		all["WithLogger(l)/"+m] = row{
			want: aside, logs: true, rare: m == "WithGroup",
			options: func(w *world) []dray.Option { return []dray.Option{dray.WithLogger(slog.New(handler{w, m}))} },
			call:    func(*world) error { return nil },
		}
	}
	value := all["Supervisor.Serve(ctx)/Value"]
	value.want = func(how string) want { // it is asked why it has ended on a goroutine of its own, for a second
		w := quietly(aside)(how)
		if how == blocks || how == takesAnHour {
			w.call = "ErrAbandoned"
		}
		return w
	}
	all["Supervisor.Serve(ctx)/Value"] = value
	for _, name := range []string{"Queue.Serve(ctx)", "Pool.Serve(ctx)"} { // as it is there
		for _, m := range []string{"Err", "Value"} {
			asked := all[name+"/"+m]
			asked.want = quietly(aside)
			all[name+"/"+m] = asked
		}
	}
	for _, m := range []string{"Error", "Unwrap", "As", "Is", "LogValue"} {
		all["Child(Service)/error."+m] = row{want: besides, rare: m == "LogValue", call: func(w *world) error {
			return w.serve(dray.Child{Name: "hostile", Service: onceFailing(w.err(m))})
		}}
	}
	maps.Copy(all, periodic)
	maps.Copy(all, supervised)
	return all
}

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

// nilOption is an option of all that takes any, as it embeds one, which is nil.
type nilOption struct{ dray.JobOption }

type (
	nilPoolOption       struct{ dray.PoolOption }
	nilSupervisorOption struct{ dray.SupervisorOption }
)

// options are the calls that take some.
var options = map[string]func(w *world, o dray.JobOption) error{
	"New(opts)":     func(_ *world, o dray.JobOption) error { _, err := dray.New(o); return err },
	"NewPool(opts)": func(*world, dray.JobOption) error { _, err := dray.NewPool(1, nilPoolOption{}); return err },
	"NewSupervisor(opts)": func(*world, dray.JobOption) error {
		_, err := dray.NewSupervisor(dray.OneForOne, nilSupervisorOption{})
		return err
	},
	"Queue.Enqueue(opts)": func(w *world, o dray.JobOption) error { return w.q.Enqueue(bg, w.count("x"), o) },
	"Queue.EnqueueSync(opts)": func(w *world, o dray.JobOption) error {
		_, err := w.q.EnqueueSync(bg, w.count("x"), o)
		return err
	},
	"Queue.EnqueueBatch(opts)": func(w *world, o dray.JobOption) error {
		_, err := w.q.EnqueueBatch(bg, []dray.Func{w.count("x")}, o)
		return err
	},
	"Group.Enqueue(opts)":    func(w *world, o dray.JobOption) error { return w.group().Enqueue(bg, w.count("x"), o) },
	"Kind.Enqueue(opts)":     func(w *world, o dray.JobOption) error { return w.kind().Enqueue(bg, 1, o) },
	"Kind.EnqueueSync(opts)": func(w *world, o dray.JobOption) error { _, err := w.kind().EnqueueSync(bg, 1, o); return err },
	"Kind.EnqueueBatch(opts)": func(w *world, o dray.JobOption) error {
		_, err := w.kind().EnqueueBatch(bg, []int{1}, o)
		return err
	},
	"Handle(opts)": func(w *world, o dray.JobOption) error {
		_, err := dray.Handle(w.q, "hostile", func(context.Context, int) error { return nil }, o)
		return err
	},
	"Submit(opts)": func(w *world, o dray.JobOption) error { _, err := dray.Submit(bg, w.q, w.hostileResult, o); return err },
	"Run(opts)":    func(w *world, o dray.JobOption) error { _, err := dray.Run(bg, w.q, w.hostileResult, o); return err },
	"WithCompletion(opts)": func(w *world, o dray.JobOption) error {
		_, err := dray.NewGroup(w.q, dray.WithCompletion(func(context.Context, error) error { return nil }, o))
		return err
	},
	"Scheduler.Schedule(opts)": func(w *world, o dray.JobOption) error {
		return w.q.Scheduler().Schedule("hostile", dray.Every(time.Hour), w.count("x"), o)
	},
	"WithPeriodic(opts)": func(w *world, o dray.JobOption) error {
		_, err := dray.New(dray.WithPeriodic("hostile", dray.Every(time.Hour), w.count("x"), o))
		return err
	},
}

// err is an error one of whose methods is hostile.
func (w *world) err(method string) error {
	m := &methods{}
	switch method {
	case "Error":
		m.error = w.act
	case "Unwrap":
		m.unwrap = w.act
	case "As":
		m.as = w.act
	case "Is":
		m.is = w.act
	case "LogValue":
		return valuer{m, w}
	}
	return m
}

type valuer struct {
	error
	w *world
}

func (v valuer) LogValue() slog.Value { v.w.act(); return slog.StringValue("value") }

// value is one with a hostile method that is called to print it.
func (w *world) value(method string) any {
	switch method {
	case "Format":
		return formatter{w}
	case "GoString":
		return goStringer{w}
	}
	return text{w}
}

type (
	formatter  struct{ w *world }
	goStringer struct{ w *world }
)

func (f formatter) Format(s fmt.State, _ rune) { f.w.act(); _, _ = s.Write([]byte("formatted")) }
func (g goStringer) GoString() string          { g.w.act(); return "value" }

type failsOnce struct {
	err  error
	done bool
}

func (l *failsOnce) Wait(context.Context) error {
	if l.done {
		return nil
	}
	l.done = true
	return l.err
}

// limited is user code of a limiter that fails, for which its jobs wait.
func limited(how string) want {
	if how == blocks {
		return want{"nil", "pending", "", "ErrAbandoned", 1}
	}
	return want{"nil", "fine", "RateLimitFailed", "nil", 0}
}

// A schedule is Every(10m) of a kind of its own, hostile from the nth call on.
type schedule struct {
	w    *world
	from int
	n    *int
}

func (s schedule) Next(after time.Time) time.Time {
	if *s.n++; *s.n >= s.from {
		s.w.act()
	}
	return after.Truncate(time.Minute).Add(10 * time.Minute)
}

// A speaking schedule has a hostile String.
type speaking struct{ schedule }

func (s speaking) String() string { s.w.act(); return "speaking" }

func (w *world) schedule(from int) dray.Schedule { return schedule{w, from, new(int)} }

// A locker is one whose Lock, or what that returns, is hostile.
type locker struct {
	w      *world
	unlock bool
}

func (l locker) Lock(ctx context.Context, _ string, _ time.Time) (context.Context, func(), error) {
	if !l.unlock {
		l.w.act()
		return ctx, nil, nil
	}
	return ctx, l.w.act, nil
}

var periodic = map[string]row{
	"Scheduler.Schedule(when)": {want: inCall, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", w.schedule(1), w.count("x"))
	}},
	"WithPeriodic(when)": {want: inCall, call: func(w *world) error {
		_, err := dray.New(dray.WithPeriodic("hostile", w.schedule(1), w.count("x")))
		return err
	}},
	"Preview(when)": {want: quietly(inCall), call: func(w *world) error {
		return passed(func() { dray.Preview(w.schedule(1), time.Now(), 3) })
	}},
	"InZone(wall)": {want: inCall, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", dray.InZone(w.schedule(1), time.UTC), w.count("x"))
	}},
	"Schedule.Next": {want: aside, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", w.schedule(2), w.count("x"))
	}},
	"Schedule.Next/below InZone": {want: aside, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", dray.InZone(w.schedule(2), time.UTC), w.count("x"))
	}},
	"Schedule.Next/of WithPeriodic": {
		want: aside,
		options: func(w *world) []dray.Option {
			return []dray.Option{dray.WithPeriodic("hostile", w.schedule(2), w.count("x"))}
		},
		call: func(*world) error { return nil },
	},
	"Schedule.Next/after a missed run": {want: aside, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", w.schedule(3), w.count("x"), dray.WithLastRun(time.Now().Add(-24*time.Hour)))
	}},
	"Schedule.Next/String below InZone": {want: aside, call: func(w *world) error {
		s := speaking{schedule{w, math.MaxInt, new(int)}}
		err := w.q.Scheduler().Schedule("hostile", dray.InZone(s, time.UTC), w.count("x"))
		_ = w.q.Scheduler().Tasks()
		return err
	}},
	"Schedule.Next/String": {want: aside, call: func(w *world) error {
		s := speaking{schedule{w, math.MaxInt, new(int)}}
		err := w.q.Scheduler().Schedule("hostile", s, w.count("x"))
		_ = w.q.Scheduler().Tasks()
		return err
	}},
	"WithLock(l)/Lock": {want: inJob, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", dray.Every(time.Minute), w.count("x"), dray.WithLock(locker{w, false}))
	}},
	"WithLock(l)/unlock": {want: inJob, call: func(w *world) error {
		return w.q.Scheduler().Schedule("hostile", dray.Every(time.Minute), w.count("x"), dray.WithLock(locker{w, true}))
	}},
}

// A service is one whose Serve or Init is hostile.
type service struct {
	w      *world
	method string
}

func (s service) Serve(ctx context.Context) error {
	if s.method == "Serve" {
		s.w.act()
	}
	<-ctx.Done()
	return nil
}

type initer struct{ service }

func (s initer) Init(context.Context) error { s.w.act(); return nil }

// serve runs a supervisor for two and a half hours with a hostile child beside an
// innocent one, which must not notice.
func (w *world) serve(c dray.Child, opts ...dray.SupervisorOption) error {
	var began []time.Time
	innocent := dray.ServiceFunc(func(ctx context.Context) error {
		began = append(began, time.Now())
		<-ctx.Done()
		return nil
	})
	log := recorder{&world{}}
	opts = append(opts, dray.WithShutdownTimeout(time.Second), dray.WithIntensity(10, time.Hour), dray.WithLogger(slog.New(log)),
		dray.WithChildren(dray.Child{Name: "innocent", Service: innocent}, c))
	s, err := dray.NewSupervisor(dray.OneForOne, opts...)
	require.NoError(w.t, err)
	ctx, cancel := context.WithTimeout(bg, 150*time.Minute)
	defer cancel()
	err = s.Serve(ctx)
	require.Len(w.t, began, 1)
	return err
}

// onceFailing is a service that fails the first time it is served.
func onceFailing(err error) dray.Service {
	failed := false
	return dray.ServiceFunc(func(ctx context.Context) error {
		if !failed {
			failed = true
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// besides is user code that nothing waits for.
func besides(how string) want {
	w := want{"nil", "fine", "", "nil", 0}
	if how == blocks {
		w.left = 1
	}
	return w
}

// inChild is user code of a supervised child.
func inChild(how string) want {
	w := want{"nil", "fine", "", "nil", 0}
	if how == blocks {
		w.call, w.left = "ErrAbandoned", 1
	}
	return w
}

// quietly is user code of which only its being slow is noticed.
func quietly(of func(string) want) func(string) want {
	return func(how string) want {
		w := of(how)
		w.shutdown = "nil"
		if throws(how) {
			w.call = "nil"
		}
		return w
	}
}

var errChild = errors.New("child")

var supervised = map[string]row{
	"Child(Service)/Serve": {want: inChild, call: func(w *world) error {
		return w.serve(dray.Child{Name: "hostile", Service: service{w, "Serve"}})
	}},
	"Child(Service)/Init": {call: func(w *world) error {
		return w.serve(dray.Child{Name: "hostile", Service: initer{service{w, "Init"}}})
	}, want: func(how string) want {
		w := inChild(how) // a first start that fails ends the supervisor
		switch {
		case throws(how):
			w.call = "PanicError"
		case how == exits:
			w.call = "Goexit"
		}
		return w
	}},
	"WithRestartBackoff(b)": {call: func(w *world) error {
		return w.serve(dray.Child{Name: "hostile", Service: onceFailing(errChild)}, dray.WithRestartBackoff(func(int) time.Duration { w.act(); return 0 }))
	}, want: func(how string) want {
		w := want{"nil", "fine", "", "nil", 0}
		if how == blocks {
			w.call, w.left = "ErrAbandoned", 1
		}
		return w
	}},
}
