package dray_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a622d8ee/dray"
)

// part is a service that says what it does. It has an Init, so that it is ready
// before the next one starts.
type part struct {
	name string
	fail chan error
}

func (p part) Init(context.Context) error {
	fmt.Println("start", p.name)
	return nil
}

func (p part) Serve(ctx context.Context) error {
	select {
	case err := <-p.fail:
		fmt.Println(p.name, "fails:", err)
		return err
	case <-ctx.Done():
		fmt.Println("stop", p.name)
		return nil
	}
}

// run supervises a database, a cache that needs it and a web server that needs
// both, lets the cache fail once, and stops when last has been restarted.
func run(strategy dray.Strategy, last string) {
	cache := part{"cache", make(chan error)}
	up := make(chan string, 10)
	sup, err := dray.NewSupervisor(strategy,
		dray.WithChildren(
			dray.Child{Name: "db", Service: part{name: "db"}, Shutdown: 30 * time.Second},
			dray.Child{Name: "cache", Service: cache},
			dray.Child{Name: "web", Service: part{name: "web"}, Shutdown: 10 * time.Second},
		),
		dray.WithObserver(func(e dray.Event) {
			if e.Kind == dray.ChildStarted {
				up <- e.Name
			}
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- sup.Serve(ctx) }()
	await(up, "web")
	cache.fail <- errors.New("out of memory")
	await(up, last)
	cancel()
	fmt.Println("ended:", <-done)
}

func await(up <-chan string, name string) {
	for <-up != name {
	}
}

// With OneForOne a child is restarted alone.
func ExampleSupervisor_oneForOne() {
	run(dray.OneForOne, "cache")
	// Output:
	// start db
	// start cache
	// start web
	// cache fails: out of memory
	// start cache
	// stop web
	// stop cache
	// stop db
	// ended: <nil>
}

// With RestForOne those that started after it, and so may depend on it, are
// stopped before and started after it.
func ExampleSupervisor_restForOne() {
	run(dray.RestForOne, "web")
	// Output:
	// start db
	// start cache
	// start web
	// cache fails: out of memory
	// stop web
	// start cache
	// start web
	// stop web
	// stop cache
	// stop db
	// ended: <nil>
}

// A transient child may come to an end, a failure is another matter.
func ExampleChild_transient() {
	attempt := 0
	importer := dray.ServiceFunc(func(context.Context) error {
		attempt++
		fmt.Println("import, attempt", attempt)
		if attempt < 3 {
			return errors.New("connection reset")
		}
		return nil
	})
	sup, err := dray.NewSupervisor(dray.OneForOne,
		dray.WithAutoShutdown(dray.AnySignificant), // nothing else is left to do then
		dray.WithChildren(dray.Child{Name: "import", Service: importer, Restart: dray.Transient, Significant: true}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sup.Serve(context.Background()))
	// Output:
	// import, attempt 1
	// import, attempt 2
	// import, attempt 3
	// <nil>
}

// Past the restart intensity the failure goes up.
func ExampleWithIntensity() {
	broken := dray.ServiceFunc(func(context.Context) error { panic("no disk") })
	sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithName("storage"),
		dray.WithIntensity(3, time.Minute),
		dray.WithChildren(dray.Child{Name: "index", Service: broken}))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = sup.Serve(context.Background())
	fmt.Println(err)
	fmt.Println(errors.Is(err, dray.ErrIntensity))
	// Output:
	// dray: supervisor "storage": restart intensity exceeded: child "index": panic: no disk
	// true
}

// Trees nest: a supervisor is a service, and Children shows the whole tree.
func ExampleSupervisor_Children() {
	idle := dray.ServiceFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })
	inner, _ := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(
		dray.Child{Name: "mail", Service: idle}, dray.Child{Name: "sms", Service: idle}))
	outer, _ := dray.NewSupervisor(dray.RestForOne, dray.WithChildren(
		dray.Child{Name: "store", Service: idle}, dray.Child{Name: "senders", Service: inner}))
	for _, c := range outer.Children() {
		fmt.Println(c.Name, c.State)
		for _, c := range c.Children {
			fmt.Println("\t"+c.Name, c.State)
		}
	}
	// Output:
	// store down
	// senders down
	// 	mail down
	// 	sms down
}
