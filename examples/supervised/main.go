// Supervised runs a queue and two services of its own under one supervisor: a feed that breaks
// twice, and an importer that depends on it. Rest-for-one restarts the feed and the importer
// behind it, and leaves the queue alone. When the importer has come to its end the supervisor
// stops all, and the queue says what it was left with.
//
//	go run ./examples/supervised
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

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	queue, err := dray.New(dray.WithName("mail"))
	if err != nil {
		return err
	}
	f := &feed{out: w, items: make(chan int)}
	sup, err := dray.NewSupervisor(dray.RestForOne,
		dray.WithIntensity(3, 5*time.Second),
		dray.WithAutoShutdown(dray.AnySignificant), // the end of the importer is the end of all
		dray.WithChildren(
			dray.Child{Name: "queue", Service: queue}, // without a Shutdown time, as it bounds its own stop
			dray.Child{Name: "feed", Service: f},
			dray.Child{Name: "importer", Service: &importer{f, queue}, Restart: dray.Transient, Significant: true},
		))
	if err != nil {
		return err
	}
	served := sup.Serve(ctx)
	// The supervisor has stopped the queue, which could be served again. Only Shutdown is its end,
	// and says what was left, also if Serve has failed. It waits for no job any more.
	report, err := queue.Shutdown(ctx)
	if err := errors.Join(served, err); err != nil {
		return err
	}
	for _, child := range sup.Children() {
		fmt.Fprintf(w, "%s: %v, restarted %d times\n", child.Name, child.State, child.Restarts)
	}
	st := queue.Stats()
	fmt.Fprintln(w, "jobs processed:", st.Processed, "of", st.Enqueued)
	for _, job := range report.Waiting { // another queue could take it over: see Restore
		fmt.Fprintf(w, "left: job %d (%s), %v\n", job.ID, job.Label, job.State)
	}
	return nil
}

// feed hands out the numbers 1 to 5; its connection breaks after 1 and after 2.
type feed struct {
	out   io.Writer
	items chan int
	last  int // handed out; survives restarts, as one Serve ends before the next begins
}

func (f *feed) Serve(ctx context.Context) error {
	fmt.Fprintln(f.out, "feed: connected")
	for first := true; ; first = false {
		if !first && f.last <= 2 {
			fmt.Fprintln(f.out, "feed: connection reset")
			return errors.New("connection reset")
		}
		select {
		case f.items <- f.last + 1:
			f.last++
			fmt.Fprintln(f.out, "feed: item", f.last)
		case <-ctx.Done():
			return nil
		}
	}
}

// importer makes a job of each item.
type importer struct {
	feed  *feed
	queue *dray.Queue
}

func (i *importer) Serve(ctx context.Context) error {
	for {
		select {
		case item := <-i.feed.items:
			// Once taken, an item has to go on, also if a restart ends ctx right now.
			err := i.queue.Enqueue(context.WithoutCancel(ctx), func(context.Context) error { return nil })
			if err != nil {
				return err
			}
			if item == 5 { // the last one; the next import is not due yet when all is stopped
				return i.queue.Enqueue(ctx, func(context.Context) error { return nil },
					dray.WithLabel("next import"), dray.WithDelay(time.Hour))
			}
		case <-ctx.Done():
			return nil
		}
	}
}
