package dray_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/a622d8ee/dray"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A queue, from its first job to its last.
func ExampleNew() {
	q, err := dray.New(dray.WithName("mail"), dray.WithWorkers(1), dray.WithCapacity(100))
	if err != nil {
		panic(err)
	}
	if err := q.Start(); err != nil {
		panic(err)
	}
	ctx := context.Background()
	for _, to := range []string{"alice", "bob"} {
		err := q.Enqueue(ctx, func(context.Context) error {
			fmt.Println("mail to", to)
			return nil
		})
		if err != nil {
			panic(err)
		}
	}
	_, err = q.Shutdown(ctx) // waits for both
	fmt.Println(err, q.Stats().Processed)
	// Output:
	// mail to alice
	// mail to bob
	// <nil> 2
}

// A job that fails is counted and kept; the queue goes on.
func ExampleQueue_Enqueue() {
	q, _ := dray.New(dray.WithWorkers(1))
	_ = q.Start()
	ctx := context.Background()
	_ = q.Enqueue(ctx, func(context.Context) error { return errors.New("no such user") }, dray.WithLabel("welcome"))
	_ = q.Enqueue(ctx, func(context.Context) error { panic("a bug") })
	_ = q.Enqueue(ctx, func(context.Context) error { return nil })
	_, _ = q.Shutdown(ctx)
	for _, f := range q.Failures() {
		fmt.Printf("job %d %q: %v\n", f.ID, f.Label, f.Err)
	}
	s := q.Stats()
	fmt.Println(s.Enqueued, "=", s.Processed, "+", s.Failed)
	// Output:
	// job 2 "": dray: panic: a bug
	// job 1 "welcome": no such user
	// 3 = 1 + 2
}

// EnqueueSync says where the job stands in line.
func ExampleQueue_EnqueueSync() {
	q, _ := dray.New() // not started, so that the jobs wait
	ctx := context.Background()
	job := func(context.Context) error { return nil }
	for _, p := range []dray.Priority{dray.Normal, dray.Normal, dray.High} {
		r, err := q.EnqueueSync(ctx, job, dray.WithPriority(p))
		fmt.Println("job", r.ID, "position", r.Position, err)
	}
	_ = q.Close()
	// Output:
	// job 1 position 1 <nil>
	// job 2 position 2 <nil>
	// job 3 position 1 <nil>
}

// Jobs as data: a kind has a typed payload and one handler.
func ExampleHandle() {
	type email struct{ To, Subject string }
	q, _ := dray.New(dray.WithWorkers(1))
	emails, err := dray.Handle(q, "email", func(ctx context.Context, m email) error {
		job, _ := dray.JobFrom(ctx)
		fmt.Printf("%s, attempt %d: %s to %s\n", job.Kind, job.Attempt, m.Subject, m.To)
		return nil
	}, dray.WithMaxAttempts(5), dray.WithTimeout(30*time.Second))
	if err != nil {
		panic(err)
	}
	_ = q.Start()
	ctx := context.Background()
	_ = emails.Enqueue(ctx, email{"user@example.com", "welcome"})
	_ = emails.Enqueue(ctx, email{"user@example.com", "bill"}, dray.WithMaxAttempts(1))
	_, _ = q.Shutdown(ctx)
	// Output:
	// email, attempt 1: welcome to user@example.com
	// email, attempt 1: bill to user@example.com
}

// Submit gives a handle to the result of a job.
func ExampleSubmit() {
	q, _ := dray.New()
	_ = q.Start()
	defer q.Close()
	ctx := context.Background()
	task, err := dray.Submit(ctx, q, func(context.Context) (int, error) { return 6 * 7, nil })
	if err != nil {
		panic(err)
	}
	fmt.Println("job", task.ID())
	fmt.Println(task.Wait(ctx))
	// Output:
	// job 1
	// 42 <nil>
}

// Run submits a job and waits for it.
func ExampleRun() {
	q, _ := dray.New()
	_ = q.Start()
	defer q.Close()
	ctx := context.Background()
	fmt.Println(dray.Run(ctx, q, func(context.Context) (string, error) { return "done", nil }))
	_, err := dray.Run(ctx, q, func(context.Context) (string, error) { panic("a bug") })
	var p *dray.PanicError
	fmt.Println(errors.As(err, &p), err)
	// Output:
	// done <nil>
	// true dray: panic: a bug
}

// What a shutdown leaves, another queue can take over.
func ExampleQueue_Restore() {
	old, _ := dray.New()
	ctx := context.Background()
	for i := range 3 {
		_ = old.Enqueue(ctx, func(context.Context) error { fmt.Println("job", i); return nil })
	}
	report, err := old.Shutdown(ctx) // it was never started
	fmt.Println(len(report.Waiting), "waiting", err)

	q, _ := dray.New(dray.WithWorkers(1))
	if err := q.Restore(report); err != nil {
		panic(err)
	}
	fmt.Println("again:", errors.Is(q.Restore(report), dray.ErrDuplicate))
	_ = q.Start()
	_, _ = q.Shutdown(ctx)
	// Output:
	// 3 waiting <nil>
	// again: true
	// job 0
	// job 1
	// job 2
}

// At its deadline a shutdown cancels what runs, and says so.
func ExampleQueue_Shutdown() {
	q, _ := dray.New(dray.WithWorkers(1))
	_ = q.Start()
	started := make(chan struct{})
	_ = q.Enqueue(context.Background(), func(ctx context.Context) error {
		close(started)
		<-ctx.Done()
		return context.Cause(ctx)
	}, dray.WithLabel("import"))
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	report, err := q.Shutdown(ctx)
	fmt.Println(err)
	for _, l := range report.Interrupted {
		fmt.Println("interrupted:", l.Label, l.LastError)
	}
	// Output:
	// context deadline exceeded
	// interrupted: import dray: shut down
}

// A pool has workers and no queue.
func ExamplePool() {
	pool, err := dray.NewPool(1)
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	ctx := context.Background()
	err = pool.Run(ctx, func(ctx context.Context) error {
		fmt.Println("idle:", pool.Idle())
		return pool.RunAsync(func(context.Context) error { return nil })
	})
	fmt.Println(errors.Is(err, dray.ErrNoWorkers))
	fmt.Println("idle:", pool.Idle())
	// Output:
	// idle: 0
	// true
	// idle: 1
}

// Of jobs with one unique key there is only one at a time.
func ExampleWithUnique() {
	q, _ := dray.New(dray.WithWorkers(1))
	ctx := context.Background()
	report := func(version int) dray.Func {
		return func(context.Context) error { fmt.Println("report", version); return nil }
	}
	for v := range 3 {
		_ = q.Enqueue(ctx, report(v), dray.WithUnique("report", dray.ReplacePending))
	}
	err := q.Enqueue(ctx, report(3), dray.WithUnique("report", dray.RejectDuplicate))
	fmt.Println(errors.Is(err, dray.ErrDuplicate))
	_ = q.Start()
	_, _ = q.Shutdown(ctx)
	// Output:
	// true
	// report 2
}

// The jobs of one key run in order, one at a time, whatever the number of workers.
func ExampleWithKey() {
	q, _ := dray.New(dray.WithWorkers(8))
	_ = q.Start()
	ctx := context.Background()
	for _, what := range []string{"open", "pay", "close"} {
		_ = q.Enqueue(ctx, func(context.Context) error { fmt.Println(what); return nil }, dray.WithKey("account-42"))
	}
	_, _ = q.Shutdown(ctx)
	// Output:
	// open
	// pay
	// close
}

// A job that is not ready yet asks to be run later. No attempt is spent.
func ExampleSnooze() {
	q, _ := dray.New()
	_ = q.Start()
	defer q.Close()
	looks := 0
	found, err := dray.Run(context.Background(), q, func(context.Context) (string, error) {
		if looks++; looks < 3 {
			return "", dray.Snooze(time.Millisecond)
		}
		return fmt.Sprint("there, at look ", looks), nil
	})
	fmt.Println(found, err)
	// Output: there, at look 3 <nil>
}

// What becomes of a job for which there is no room.
func ExampleWithOverflow() {
	ctx := context.Background()
	for _, policy := range []dray.Overflow{dray.Reject, dray.DropNewest, dray.DropOldest} {
		q, _ := dray.New(dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(policy))
		for i := range 2 {
			err := q.Enqueue(ctx, func(context.Context) error { fmt.Println("ran", i); return nil })
			fmt.Println("enqueue", i, err)
		}
		_ = q.Start()
		_, _ = q.Shutdown(ctx)
	}
	// Output:
	// enqueue 0 <nil>
	// enqueue 1 dray: queue full
	// ran 0
	// enqueue 0 <nil>
	// enqueue 1 <nil>
	// ran 0
	// enqueue 0 <nil>
	// enqueue 1 <nil>
	// ran 1
}
