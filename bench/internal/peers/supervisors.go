package peers

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/a622d8ee/dray"
)

// A SupervisorMaker starts the supervisors of one contender.
type SupervisorMaker struct {
	Name string
	// Start supervises a child that is restarted however often it ends, until
	// stop is called, which returns when nothing is left of either.
	Start func(child Child) (stop func())
}

// A Child is a service that is to return when stopped is closed.
type Child func(stopped <-chan struct{}) error

// Supervisors returns all contenders, the yardstick first.
func Supervisors() []SupervisorMaker {
	return []SupervisorMaker{
		{"bare goroutine", func(c Child) func() { return bare(c, func() {}) }},
		{"bare goroutine, stack captured", func(c Child) func() { return bare(c, func() { debug.Stack() }) }},
		{"dray", superviseDray},
		{"suture", superviseSuture},
	}
}

// bare is what one writes without a library: the crashed goroutine starts another one before it
// ends.
func bare(c Child, onPanic func()) (stop func()) {
	var running sync.WaitGroup
	stopped := make(chan struct{})
	var run func()
	run = func() {
		defer func() {
			if recover() != nil {
				onPanic()
			}
			select {
			case <-stopped:
			default:
				running.Go(run)
			}
		}()
		_ = c(stopped) // why it ended makes no difference here
	}
	running.Go(run)
	return func() {
		close(stopped)
		running.Wait()
	}
}

// serve runs a supervisor until it is stopped.
func serve(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = run(ctx) // it ends because it was told to
	}()
	return func() {
		cancel()
		<-ended
	}
}

// service is a child as both libraries take it.
type service struct{ child Child }

func (s service) Serve(ctx context.Context) error { return s.child(ctx.Done()) }

func superviseDray(c Child) (stop func()) {
	s, err := dray.NewSupervisor(dray.OneForOne,
		dray.WithIntensity(1000, time.Nanosecond), // never too often
		dray.WithChildren(dray.Child{Name: "child", Service: service{c}}))
	check(err)
	return serve(s.Serve)
}

func superviseSuture(c Child) (stop func()) {
	s := suture.New("bench", suture.Spec{
		FailureThreshold: 1e18,                  // never too often
		EventHook:        func(suture.Event) {}, // or else it prints
	})
	s.Add(service{c})
	return serve(s.Serve)
}
