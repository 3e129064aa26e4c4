// Groups shows jobs that are waited for as one: a picture is cut into tiles, the
// tiles are worked on side by side, and a completion job puts them together. A
// second group is cancelled as one.
//
//	go run ./examples/groups
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"

	"github.com/a622d8ee/dray"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	q, err := dray.New(dray.WithWorkers(4))
	if err != nil {
		return err
	}
	if err := q.Start(); err != nil {
		return err
	}
	if err := render(ctx, q, w); err != nil {
		return err
	}
	if err := giveUp(ctx, q, w); err != nil {
		return err
	}
	_, err = q.Shutdown(ctx)
	return err
}

// render works on sixteen tiles, of which one has no luck at first, and one never.
func render(ctx context.Context, q *dray.Queue, w io.Writer) error {
	var tiles atomic.Int32
	assembled := make(chan string, 1)
	picture, err := dray.NewGroup(q, dray.WithCompletion(func(_ context.Context, err error) error {
		assembled <- fmt.Sprintf("assembled %d tiles; missing: %v", tiles.Load(), err)
		return nil
	}))
	if err != nil {
		return err
	}
	tile := func(i int) dray.Func {
		return func(ctx context.Context) error {
			job, _ := dray.JobFrom(ctx)
			if i == 13 || i == 7 && job.Attempt == 1 {
				return fmt.Errorf("tile %d", i)
			}
			tiles.Add(1)
			return nil
		}
	}
	for i := range 16 {
		if err := picture.Enqueue(ctx, tile(i), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(0))); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "waited:", picture.Wait(ctx))
	fmt.Fprintln(w, <-assembled)
	return nil
}

// giveUp cancels a group of which one job runs and the others wait.
func giveUp(ctx context.Context, q *dray.Queue, w io.Writer) error {
	search, err := dray.NewGroup(q)
	if err != nil {
		return err
	}
	begun := make(chan struct{}, 10)
	for range 10 {
		err := search.Enqueue(ctx, func(ctx context.Context) error {
			begun <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		}, dray.WithKey("database")) // one at a time
		if err != nil {
			return err
		}
	}
	<-begun
	fmt.Fprintln(w, "cancelled", search.Cancel())
	fmt.Fprintln(w, "all cancelled:", errors.Is(search.Wait(ctx), dray.ErrCancelled), len(begun) == 0)
	return nil
}
