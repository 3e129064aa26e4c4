package draytest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// A Shop is the code under test in these examples.
type Shop struct {
	welcome *dray.Kind[Welcome]
}

// Welcome is a mail to a new customer.
type Welcome struct{ To string }

// NewShop registers what it sends with the queue.
func NewShop(q *dray.Queue) (*Shop, error) {
	welcome, err := dray.Handle(q, "welcome", func(_ context.Context, w Welcome) error {
		fmt.Println("mail to", w.To)
		return nil
	})
	return &Shop{welcome}, err
}

// Register is what the tests are about.
func (s *Shop) Register(ctx context.Context, name string) error {
	return s.welcome.Enqueue(ctx, Welcome{To: name})
}

// test stands for the function of a test: func TestX(t *testing.T).
func test(f func(t testing.TB)) {
	if complaints := try(f); complaints != "" {
		fmt.Println(complaints)
	}
}

func ExampleNew() {
	test(func(t testing.TB) {
		q := draytest.New(t, dray.WithWorkers(1))
		shop, _ := NewShop(q)
		_ = shop.Register(context.Background(), "ada")
		fmt.Println(draytest.Drain(t, q).Processed, "processed")
	})
	// Output:
	// mail to ada
	// 1 processed
}

// A job that has not settled at the end of the test fails it.
func ExampleNew_unsettled() {
	test(func(t testing.TB) {
		q := draytest.New(t)
		_ = q.Enqueue(context.Background(), draytest.Slow(0), dray.WithDelay(time.Hour), dray.WithLabel("report"))
	})
	// Output: draytest: jobs that have not settled: job 1 (report, delayed)
}

func ExampleRequireEnqueued() {
	test(func(t testing.TB) {
		m := draytest.NewManual(t) // the jobs need not run for this
		shop, _ := NewShop(m.Queue)
		_ = shop.Register(context.Background(), "ada")
		w := draytest.RequireEnqueued[Welcome](t, m.Queue, "welcome")
		fmt.Println(w.To)
		draytest.RequireEnqueued(t, m.Queue, "welcome", draytest.Is(Welcome{To: "bob"}))
	})
	// Output:
	// ada
	// draytest: no such job of kind "welcome" was enqueued; there were: [{To:ada}]
}

func ExampleEnqueued() {
	test(func(t testing.TB) {
		m := draytest.NewManual(t)
		shop, _ := NewShop(m.Queue)
		_ = shop.Register(context.Background(), "ada")
		_ = shop.Register(context.Background(), "bob")
		fmt.Println(draytest.Enqueued[Welcome](t, m.Queue, "welcome"))
	})
	// Output: [{ada} {bob}]
}

func ExampleRequireNotEnqueued() {
	test(func(t testing.TB) {
		m := draytest.NewManual(t)
		shop, _ := NewShop(m.Queue)
		_ = shop.Register(context.Background(), "ada")
		draytest.RequireNotEnqueued(t, m.Queue, "welcome", draytest.Is(Welcome{To: "bob"}))
		draytest.RequireNotEnqueued[Welcome](t, m.Queue, "welcome")
	})
	// Output: draytest: a job of kind "welcome" was enqueued: {To:ada}
}

func ExampleNewManual() {
	test(func(t testing.TB) {
		m := draytest.NewManual(t)
		shop, _ := NewShop(m.Queue)
		_ = shop.Register(context.Background(), "ada")
		fmt.Println("registered")
		m.Next()
		fmt.Println("more:", m.Next())
	})
	// Output:
	// registered
	// mail to ada
	// more: false
}

func ExampleNewInline() {
	test(func(t testing.TB) {
		shop, _ := NewShop(draytest.NewInline(t))
		_ = shop.Register(context.Background(), "ada")
		fmt.Println("registered")
	})
	// Output:
	// mail to ada
	// registered
}

// A service that starts its queue itself, or has it supervised, gets one that does not run yet.
func ExampleNewInline_supervised() {
	synctest.Test(new(testing.T), func(*testing.T) {
		test(func(t testing.TB) {
			q := draytest.NewInline(t)
			shop, _ := NewShop(q)
			sup, _ := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- sup.Serve(ctx) }()
			synctest.Wait() // until all children are up

			_ = shop.Register(ctx, "ada")
			fmt.Println(draytest.Drain(t, q).Processed, "processed")
			draytest.RequireEnqueued(t, q, "welcome", draytest.Is(Welcome{To: "ada"}))
			_ = q.Enqueue(ctx, draytest.Slow(0), dray.WithDelay(time.Hour))
			stop()
			fmt.Println("supervisor:", <-ended)
			report, err := q.Shutdown(context.Background()) // after that, and says what was left
			fmt.Println(len(report.Waiting), "left", err)
		})
	})
	// Output:
	// mail to ada
	// 1 processed
	// supervisor: <nil>
	// 1 left <nil>
}

// The queue of New runs already, so nobody else can start it.
func ExampleNew_supervised() {
	test(func(t testing.TB) {
		sup, _ := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: draytest.New(t)}))
		fmt.Println(sup.Serve(context.Background()))
	})
	// Output: dray: supervisor "supervisor": start of child "queue": already started
}

// Queues that this package has not made can be drained and crashed as well: those that a service
// makes where no test can reach. What was enqueued they do not remember.
func ExampleDrain_anyQueue() {
	synctest.Test(new(testing.T), func(*testing.T) {
		test(func(t testing.TB) {
			q, _ := dray.New()
			defer q.Close()
			_ = q.Start()
			_ = q.Enqueue(context.Background(), draytest.Slow(time.Minute), dray.WithDelay(time.Hour))
			draytest.CrashOwner(t, q)
			fmt.Println(draytest.Drain(t, q).Processed, "processed")
			draytest.RequireEnqueued[Welcome](t, q, "welcome")
		})
	})
	// Output:
	// 1 processed
	// draytest: this queue was not made by draytest, or its test has ended
}

func ExampleDrain() {
	synctest.Test(new(testing.T), func(*testing.T) { // in a test: its own t, twice
		test(func(t testing.TB) {
			q := draytest.New(t)
			fails := draytest.Failing(2, errors.New("not yet"))
			_ = q.Enqueue(context.Background(), fails, dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Hour)))
			s := draytest.Drain(t, q) // two hours that cost nothing
			fmt.Println(s.Processed, "processed,", s.Retried, "retried")
		})
	})
	// Output: 1 processed, 2 retried
}

func ExampleRequireSettled() {
	test(func(t testing.TB) {
		q := draytest.NewInline(t)
		_ = q.Enqueue(context.Background(), draytest.Panicking("boom"))
		fmt.Println(draytest.RequireSettled(t, q).Panicked, "panicked")
		_ = q.Enqueue(context.Background(), draytest.Slow(0), dray.WithDelay(time.Hour))
		draytest.RequireSettled(t, q)
	})
	// Output:
	// 1 panicked
	// draytest: jobs that have not settled: job 2 (delayed)
}

func ExampleCrashOwner() {
	test(func(t testing.TB) {
		q := draytest.New(t)
		draytest.CrashOwner(t, q)
		_ = q.Enqueue(context.Background(), draytest.Slow(0))
		s := draytest.Drain(t, q)
		fmt.Println(s.Restarts, "restart,", s.Processed, "processed")
	})
	// Output: 1 restart, 1 processed
}

func ExampleCrashWorker() {
	test(func(t testing.TB) {
		q := draytest.New(t, dray.WithWorkers(1))
		died := draytest.CrashWorker(t, q)
		_ = q.Enqueue(context.Background(), draytest.Slow(0))
		<-died
		_ = q.Enqueue(context.Background(), draytest.Slow(0))
		fmt.Println(draytest.Drain(t, q).Processed, "processed")
	})
	// Output: 2 processed
}

func ExampleGate() {
	test(func(t testing.TB) {
		q := draytest.New(t, dray.WithWorkers(1), dray.WithCapacity(1))
		job, open := draytest.Gate()
		_ = q.Pause() // so that the first one certainly waits
		_ = q.Enqueue(context.Background(), job)
		fmt.Println(q.Enqueue(context.Background(), job))
		_ = q.Resume()
		open()
		fmt.Println(draytest.Drain(t, q).Processed, "processed")
	})
	// Output:
	// dray: queue full
	// 1 processed
}

func ExampleStubborn() {
	synctest.Test(new(testing.T), func(*testing.T) {
		test(func(t testing.TB) {
			q := draytest.New(t)
			_ = q.Enqueue(context.Background(), draytest.Stubborn(time.Minute, nil), dray.WithTimeout(time.Second))
			time.Sleep(2 * time.Second)
			fmt.Println(q.Stats().Stuck, "stuck")
			fmt.Println(draytest.Drain(t, q).Processed, "processed")
		})
	})
	// Output:
	// 1 stuck
	// 1 processed
}
