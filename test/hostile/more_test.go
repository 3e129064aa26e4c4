package hostile_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"time"

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
