// Periodic shows tasks that run at intervals, as jobs of the queue: one given at
// New, one added at run time that fails, and their removal. Then it shows when a
// task at half past two runs around the day on which the clocks go forward.
//
//	go run ./examples/periodic
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"
	_ "time/tzdata" // for machines without zone files

	"github.com/a622d8ee/dray"
)

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(w io.Writer) error {
	cleaned := make(chan int, 3)
	q, err := dray.New(dray.WithPeriodic("cleanup", dray.Every(20*time.Millisecond), counter(cleaned)))
	if err != nil {
		return err
	}
	if err := q.Start(); err != nil {
		return err
	}
	for range 3 {
		fmt.Fprintln(w, "cleanup, run", <-cleaned)
	}
	if err := q.Scheduler().Unschedule("cleanup"); err != nil {
		return err
	}
	if err := report(q.Scheduler(), w); err != nil {
		return err
	}
	if _, err := q.Shutdown(context.Background()); err != nil {
		return err
	}
	fmt.Fprintln(w, "failed jobs:", len(q.Failures()))
	return preview(w)
}

// preview needs no queue: a schedule can be asked as it is.
func preview(w io.Writer) error {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	from := time.Date(2026, time.March, 28, 0, 0, 0, 0, berlin)
	for _, t := range dray.Preview(dray.Daily(2, 30, berlin), from, 3) {
		fmt.Fprintln(w, t.Format("Mon 2 January, 15:04 MST"))
	}
	return nil
}

// counter is a task that sends the number of its run, while there is room.
func counter(runs chan<- int) dray.Func {
	n := 0 // runs of one task never overlap, unless WithOverlap says so
	return func(context.Context) error {
		n++
		select {
		case runs <- n:
		default:
		}
		return nil
	}
}

// report adds a task that is far in the future, runs it now, and lists it.
func report(s *dray.Scheduler, w io.Writer) error {
	ran := make(chan struct{})
	err := s.Schedule("report", dray.Every(24*time.Hour), func(context.Context) error {
		defer close(ran)
		return errors.New("no paper") // is logged and counted; the schedule goes on
	})
	if err != nil {
		return err
	}
	if err := s.RunNow("report"); err != nil {
		return err
	}
	<-ran
	for _, task := range s.Tasks() {
		fmt.Fprintf(w, "task %s, next in about %v\n", task.Name, time.Until(task.Next).Round(time.Hour))
	}
	return nil
}
