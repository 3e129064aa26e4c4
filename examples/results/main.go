// Results shows the three ways to get something back from a job: Run waits,
// Submit hands out a Task to look at later, and an error comes back as it was.
//
//	go run ./examples/results
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/a622d8ee/dray"
)

var errEmpty = errors.New("nothing to count")

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	q, err := dray.New(dray.WithWorkers(2))
	if err != nil {
		return err
	}
	if err := q.Start(); err != nil {
		return err
	}
	defer func() { _ = q.Close() }()

	// Run enqueues and waits. The result has the job's own type.
	n, err := dray.Run(ctx, q, count("a dray is a cart"))
	fmt.Fprintln(w, "run:", n, err)

	// An error is the job's own, and a panic is an error like any other.
	_, err = dray.Run(ctx, q, count(""))
	fmt.Fprintln(w, "error:", errors.Is(err, errEmpty))
	_, err = dray.Run(ctx, q, func(context.Context) (int, error) { panic("oops") })
	var p *dray.PanicError
	fmt.Fprintln(w, "panic:", errors.As(err, &p), err)

	return tasks(ctx, q, w)
}

// tasks submits jobs and collects their results in the order it likes.
func tasks(ctx context.Context, q *dray.Queue, w io.Writer) error {
	gate := make(chan struct{})
	slow, err := dray.Submit(ctx, q, func(ctx context.Context) (string, error) {
		select {
		case <-gate:
			return "done at last", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	})
	if err != nil {
		return err
	}
	_, _, ok := slow.Result() // never waits
	fmt.Fprintln(w, "pending:", !ok)

	brief, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err = slow.Wait(brief) // gives up; the job goes on
	fmt.Fprintln(w, "gave up:", errors.Is(err, context.DeadlineExceeded))

	close(gate)
	text, err := slow.Wait(ctx)
	fmt.Fprintln(w, "result:", text, err)
	return nil
}

func count(text string) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		if text == "" {
			return 0, errEmpty
		}
		return len(text), nil
	}
}
