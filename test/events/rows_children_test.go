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

// supervised runs children until the row ends, or until the supervisor gives up.
func (s *scene) supervised(opts []dray.SupervisorOption, children ...dray.Child) (end func()) {
	s.Helper()
	all := append([]dray.SupervisorOption{dray.WithChildren(children...)}, opts...)
	for _, o := range s.options() {
		all = append(all, o)
	}
	sup, err := dray.NewSupervisor(dray.OneForOne, all...)
	require.NoError(s, err)
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); _ = sup.Serve(ctx) }()
	end = func() { stop(); <-over }
	s.ends = append(s.ends, end)
	return end
}

// failing is a child that lasts a second and then fails, the first n times.
func failing(n int, fail func() error) dray.Service {
	return dray.ServiceFunc(func(ctx context.Context) error {
		if n--; n >= 0 {
			virtual.Sleep(time.Second)
			return fail()
		}
		<-ctx.Done()
		return nil
	})
}

func boom() error { return kit.ErrBoom }

func ofChild(at time.Time, more fields) fields {
	return with(fields{"Time": at, "Supervisor": "mail", "Name": "web"}, more)
}

func childLine(level slog.Level, message string, more fields) record {
	return line(level, message, with(fields{"supervisor": "mail", "child": "web"}, more))
}

var children = []row{
	{"ChildStarted", "and again", func(s *scene) ([]fields, []record) {
		at := time.Now()
		s.supervised(nil, dray.Child{Name: "web", Service: failing(1, boom)})
		s.wait(time.Minute)
		return []fields{ofChild(at, fields{"Restarts": uint64(0)}), ofChild(at.Add(time.Second), fields{"Restarts": uint64(1)})}, []record{
			childLine(slog.LevelError, "child failed", fields{"error": kit.ErrBoom}),
			childLine(slog.LevelWarn, "child restarted", fields{"restarts": uint64(1)}),
		}
	}},
	{"ChildStarted", "of a queue", func(s *scene) ([]fields, []record) {
		q := s.made()
		require.NoError(s, q.Start())
		at := time.Now()
		s.wait(time.Second)
		var want []fields
		for _, name := range []string{"owner", "pool", "scheduler"} {
			want = append(want, ofChild(at, fields{"Queue": "mail", "Name": name, "Restarts": uint64(0)}))
		}
		return want, nil
	}},
	{"ChildFailed", "of a queue", func(s *scene) ([]fields, []record) {
		q := s.started()
		at := s.wait(time.Second)
		draytest.CrashOwner(s, q)
		err := check(func(got any) string { return contains("dray: panic: " + draytest.Crashed)(got) })
		restarted := func(name string) record {
			// Each has a count of its own; the owner alone has failed.
			n := map[string]uint64{"owner": 1}[name]
			return record{slog.LevelWarn, "child restarted", fields{"dray": "mail", "supervisor": "mail", "child": name, "restarts": n}}
		}
		return []fields{ofChild(at, fields{"Queue": "mail", "Name": "owner", "Err": err})}, []record{
			{slog.LevelError, "child failed", fields{
				"dray": "mail", "supervisor": "mail", "child": "owner", "error": err,
				"panicked_at": contains("draytest.CrashOwner"), "stack": contains("CrashOwner"),
			}},
			restarted("owner"),
		}
	}},
	{"ChildFailed", "panic", func(s *scene) ([]fields, []record) {
		at := time.Now().Add(time.Second)
		s.supervised(nil, dray.Child{Name: "web", Restart: dray.Temporary,
			Service: failing(1, func() error { return throwsHere(context.Background()) })})
		s.wait(time.Minute)
		err := isErr(kit.ErrBoom, "dray: panic: boom")
		return []fields{ofChild(at, fields{"Err": err})}, []record{childLine(slog.LevelError, "child failed", fields{
			"error": err, "panicked_at": contains(here), "stack": contains(here),
		})}
	}},
	{"ChildStopped", "by its supervisor, and by itself", func(s *scene) ([]fields, []record) {
		at := time.Now()
		end := s.supervised(nil,
			dray.Child{Name: "web", Service: failing(0, boom)},
			dray.Child{Name: "once", Service: failing(1, func() error { return nil }), Restart: dray.Transient})
		now := s.wait(time.Minute)
		end()
		return []fields{ofChild(at.Add(time.Second), fields{"Name": "once"}), ofChild(now, nil)}, nil
	}},
	{"ChildAbandoned", "", func(s *scene) ([]fields, []record) {
		end := s.supervised(nil, dray.Child{Name: "web", Shutdown: 3 * time.Second,
			Service: dray.ServiceFunc(func(context.Context) error { virtual.Sleep(time.Hour); return nil })})
		at := s.wait(time.Minute).Add(3 * time.Second)
		end()
		return []fields{ofChild(at, fields{"By": 3 * time.Second})},
			[]record{childLine(slog.LevelError, "child does not stop", fields{"waited": 3 * time.Second})}
	}},
	{"SupervisorFailed", "", func(s *scene) ([]fields, []record) {
		at := time.Now().Add(time.Second)
		s.supervised([]dray.SupervisorOption{dray.WithIntensity(0, time.Minute)}, dray.Child{Name: "web", Service: failing(1, boom)})
		s.wait(time.Minute)
		err := isErr(kit.ErrBoom, `dray: supervisor "mail": restart intensity exceeded: child "web": boom`)
		return []fields{{"Time": at, "Supervisor": "mail", "Err": err}}, []record{
			childLine(slog.LevelError, "child failed", fields{"error": kit.ErrBoom}),
			line(slog.LevelError, "supervisor failed", fields{"supervisor": "mail", "error": err}),
		}
	}},
}
