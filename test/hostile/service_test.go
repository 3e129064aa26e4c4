package hostile_test

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

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
