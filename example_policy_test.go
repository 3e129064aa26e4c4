package dray_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a622d8ee/dray"
)

// The time for all attempts: this job would have a hundred.
func ExampleWithDeadline() {
	q, _ := dray.New(dray.WithWorkers(1))
	_ = q.Start()
	_, err := dray.Run(context.Background(), q, func(context.Context) (int, error) {
		return 0, errors.New("busy")
	}, dray.WithMaxAttempts(100), dray.WithBackoff(dray.Constant(time.Hour)), dray.WithDeadline(time.Minute))
	fmt.Println(errors.Is(err, dray.ErrDeadline))
	fmt.Println(err)
	_ = q.Close()
	// Output:
	// true
	// dray: job past its deadline: busy
}

// A turnstile lets in one at a time, when somebody turns it. As a limiter for
// times there is golang.org/x/time/rate:
//
//	dray.WithRateLimit(rate.NewLimiter(10, 1)) // ten a second
type turnstile chan struct{}

func (t turnstile) Wait(ctx context.Context) error {
	select {
	case <-t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Jobs of one kind start one for each token; others are not held up.
func ExampleWithRateLimit() {
	q, _ := dray.New(dray.WithWorkers(1))
	gate := make(turnstile)
	visit, _ := dray.Handle(q, "visit", func(_ context.Context, name string) error {
		fmt.Println("hello,", name)
		return nil
	}, dray.WithRateLimit(gate))
	_ = q.Start()
	ctx := context.Background()
	_, _ = visit.EnqueueBatch(ctx, []string{"ada", "bob"})
	_, _ = dray.Run(ctx, q, func(context.Context) (int, error) { fmt.Println("nobody yet"); return 0, nil })
	gate <- struct{}{}
	gate <- struct{}{}
	_, _ = q.Shutdown(ctx)
	// Output:
	// nobody yet
	// hello, ada
	// hello, bob
}

// Middleware of the queue is around that of the kind.
func ExampleWithMiddleware() {
	around := func(name string) dray.Middleware {
		return func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error {
				fmt.Println(name, "before", j.Kind)
				defer fmt.Println(name, "after")
				return next(ctx, j)
			}
		}
	}
	q, _ := dray.New(dray.WithMiddleware(around("queue")))
	mail, _ := dray.Handle(q, "mail", func(_ context.Context, to string) error {
		fmt.Println("to", to)
		return nil
	}, dray.WithMiddleware(around("kind")))
	_ = q.Start()
	_ = mail.Enqueue(context.Background(), "ada")
	_, _ = q.Shutdown(context.Background())
	// Output:
	// queue before mail
	// kind before mail
	// to ada
	// kind after
	// queue after
}

type traceKey struct{}

// A job sees the values of the call that enqueued it, but does not end with it.
func ExampleWithContextValues() {
	q, _ := dray.New()
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), traceKey{}, "trace 7"))
	_ = q.Enqueue(ctx, func(ctx context.Context) error {
		fmt.Println(ctx.Value(traceKey{}), ctx.Err())
		return nil
	}, dray.WithContextValues())
	cancel()
	_ = q.Start()
	_, _ = q.Shutdown(context.Background())
	// Output:
	// trace 7 <nil>
}

// At most once in a while, also when the first one has long been done.
func ExampleWithUniquePeriod() {
	q, _ := dray.New()
	_ = q.Start()
	ctx := context.Background()
	remind := func(context.Context) error { return nil }
	opts := []dray.JobOption{dray.WithUnique("remind ada", dray.RejectDuplicate), dray.WithUniquePeriod(time.Hour)}
	fmt.Println(q.Enqueue(ctx, remind, opts...))
	_, _ = dray.Run(ctx, q, func(context.Context) (int, error) { return 0, nil }, dray.WithPriority(dray.Low))
	fmt.Println(q.Enqueue(ctx, remind, opts...))
	_, _ = q.Shutdown(ctx)
	// Output:
	// <nil>
	// dray: duplicate
}

// Jobs that are waited for as one.
func ExampleGroup() {
	q, _ := dray.New()
	_ = q.Start()
	ctx := context.Background()
	g, err := dray.NewGroup(q, dray.WithCompletion(func(_ context.Context, err error) error {
		fmt.Println("all done:", err)
		return nil
	}))
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		_ = g.Enqueue(ctx, func(context.Context) error {
			if i == 1 {
				return errors.New("no luck")
			}
			return nil
		})
	}
	err = g.Wait(ctx)
	_, _ = q.Shutdown(ctx) // and the completion job
	fmt.Println("waited:", err)
	// Output:
	// all done: no luck
	// waited: no luck
}

// All jobs of a key at once.
func ExampleQueue_CancelKey() {
	q, _ := dray.New() // not started, so that the jobs wait
	ctx := context.Background()
	job := func(context.Context) error { return nil }
	for _, account := range []string{"ada", "bob", "ada"} {
		_ = q.Enqueue(ctx, job, dray.WithKey(account))
	}
	fmt.Println(q.CancelKey("ada"), q.Stats().Pending)
	_ = q.Close()
	// Output:
	// 2 1
}

// Failures are run again, or forgotten, one by one or all.
func ExampleQueue_RequeueAll() {
	q, _ := dray.New(dray.WithWorkers(1))
	_ = q.Start()
	ctx := context.Background()
	up := false
	for range 3 {
		_, _ = dray.Run(ctx, q, func(context.Context) (int, error) {
			if !up {
				return 0, errors.New("the service is down")
			}
			return 0, nil
		})
	}
	up = true
	fmt.Println(q.DropFailure(q.Failures()[0].ID))
	fmt.Println(q.RequeueAll())
	_, _ = q.Shutdown(ctx)
	fmt.Println(q.Stats().Processed, "processed,", len(q.Failures()), "failures kept")
	// Output:
	// <nil>
	// 2 <nil>
	// 2 processed, 0 failures kept
}

// As many as there is room for, at one moment.
func ExampleQueue_EnqueueBatch() {
	q, _ := dray.New(dray.WithCapacity(2)) // not started, so that the jobs wait
	job := func(context.Context) error { return nil }
	fmt.Println(q.EnqueueBatch(context.Background(), []dray.Func{job, job, job}))
	_ = q.Close()
	// Output:
	// 2 dray: queue full
}
