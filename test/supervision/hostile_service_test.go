package supervision_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/goroutines"
)

// pointer is a service whose methods need it not to be nil.
type pointer struct{ n int }

func (p *pointer) Serve(context.Context) error { p.n++; return nil }

func TestServicesThatAreNil(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, err := dray.NewSupervisor(dray.OneForOne)
		require.NoError(t, err)
		require.ErrorIs(t, s.Add(dray.Child{Name: "x", Service: dray.ServiceFunc(nil)}), dray.ErrNilFunc)
		for _, none := range []dray.Service{nil, (*dray.Supervisor)(nil), (*dray.Queue)(nil), (*dray.Pool)(nil), (*pointer)(nil)} {
			require.Error(t, s.Add(dray.Child{Name: "x", Service: none}))
		}
		for name, service := range map[string]dray.Service{
			"a value": struct{ dray.Service }{}, "embeds": struct{ *dray.Supervisor }{},
		} {
			require.NoError(t, s.Add(dray.Child{Name: name, Service: service, Restart: dray.Transient}))
		}
		r := serve(t, s)
		require.ErrorIs(t, r.end(time.Second), dray.ErrIntensity, "it panics, as any child may")
		require.Len(t, s.Children(), 2)
	})
}

// A lister is a service with a Children method of its own.
type lister struct {
	*worker
	list func() []dray.ChildInfo
}

func (l *lister) Children() []dray.ChildInfo { return l.list() }

func TestChildrenMethodsOfServices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j, release := &journal{}, make(chan struct{})
		var calls atomic.Int32
		defer close(release)
		s, err := dray.NewSupervisor(dray.OneForOne)
		require.NoError(t, err)
		for name, list := range map[string]func() []dray.ChildInfo{
			"good":   func() []dray.ChildInfo { return []dray.ChildInfo{{Name: "below"}} },
			"slow":   func() []dray.ChildInfo { time.Sleep(time.Second - 1); return []dray.ChildInfo{{Name: "below"}} },
			"panics": func() []dray.ChildInfo { panic("thrown") },
			"exits":  func() []dray.ChildInfo { runtime.Goexit(); return nil },
			"blocks": func() []dray.ChildInfo { calls.Add(1); <-release; return nil },
			"recurs": s.Children,
		} {
			require.NoError(t, s.Add(dray.Child{Name: name, Service: &lister{newWorker(j, name), list}}))
		}
		inner, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(
			dray.Child{Name: "blocks", Service: &lister{newWorker(j, "inner"), func() []dray.ChildInfo { <-release; return nil }}}))
		require.NoError(t, err)
		require.NoError(t, s.Add(dray.Child{Name: "nested", Service: inner}))
		r := serve(t, s)
		synctest.Wait()
		before := goroutines.InBubble()
		for range 20 {
			began := time.Now()
			for _, c := range r.Children() {
				switch c.Name {
				case "good":
					require.Len(t, c.Children, 1)
				case "slow":
					require.Len(t, c.Children, 1, "it has a second")
				case "panics", "exits", "blocks":
					require.Empty(t, c.Children)
				}
			}
			require.LessOrEqual(t, time.Since(began), time.Second, "once for all that hang")
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, calls.Load(), "one goroutine for what hangs")
		synctest.Wait()
		require.LessOrEqual(t, goroutines.InBubble()-before, 4)
		err = r.stop()
		require.ErrorIs(t, err, dray.ErrAbandoned)
		require.Equal(t, 2, strings.Count(err.Error(), `Children method of child "blocks"`), "%v", err)
	})
}

// A ctx whose methods misbehave once Serve has begun.
type hostileContext struct {
	context.Context
	do func()
}

func (c hostileContext) Value(any) any { c.do(); return nil }

func TestServeWithAHostileContext(t *testing.T) {
	release := make(chan struct{})
	for name, do := range map[string]func(){
		"panics": func() { panic("thrown") },
		"exits":  runtime.Goexit,
		"blocks": func() { <-release },
	} {
		for how, serve := range map[string]func(s *dray.Supervisor, ctx context.Context, ended chan<- error) error{
			"Serve": func(s *dray.Supervisor, ctx context.Context, ended chan<- error) error {
				go func() { ended <- s.Serve(ctx) }()
				return nil
			},
			"Boot": func(s *dray.Supervisor, ctx context.Context, ended chan<- error) error {
				err := s.Boot(ctx)
				context.AfterFunc(ctx.(hostileContext).Context, func() { //nolint:forcetypeassert // below
					time.Sleep(time.Second)
					ended <- s.Serve(context.Background())
				})
				return err
			},
		} {
			t.Run(how+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					release = make(chan struct{})
					defer func() { close(release) }()
					w := newWorker(&journal{}, "a")
					s, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(child(w)))
					require.NoError(t, err)
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan error, 1)
					require.NoError(t, serve(s, hostileContext{ctx, do}, ended))
					synctest.Wait()
					cancel()
					synctest.Wait()
					require.Len(t, s.Children(), 1, "calls are answered meanwhile")
					time.Sleep(time.Second)
					synctest.Wait()
					requireAbandoned(t, name == "blocks", <-ended)
					require.Equal(t, []error{dray.ErrShutdown}, w.takeCauses())
				})
			})
		}
	}
}
