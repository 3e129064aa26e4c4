// Unique shows how jobs that would do the same work become one: keep the one that
// waits, put a newer one in its place, or refuse; and at most once per period.
//
//	go run ./examples/unique
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
	q, err := dray.New(dray.WithWorkers(1)) // not started yet, so that the jobs wait
	if err != nil {
		return err
	}
	say := func(what string) dray.Func {
		return func(context.Context) error { fmt.Fprintln(w, "ran:", what); return nil }
	}
	for i := 1; i <= 3; i++ { // three clicks, one report
		r, err := q.EnqueueSync(ctx, say("report 42"), dray.WithUnique("report 42", dray.KeepExisting))
		fmt.Fprintln(w, "click", i, "job", r.ID, err)
	}
	for _, text := range []string{"draft", "better", "final"} { // the last version counts
		save := dray.WithUnique("save page 7", dray.ReplacePending)
		if err := q.Enqueue(ctx, say("save "+text), save); err != nil {
			return err
		}
	}
	daily := []dray.JobOption{ // however soon the first one is done
		dray.WithUnique("reminder ada", dray.RejectDuplicate), dray.WithUniquePeriod(24 * time.Hour),
	}
	if err := q.Enqueue(ctx, say("remind ada"), daily...); err != nil {
		return err
	}
	if err := q.Start(); err != nil {
		return err
	}
	if _, err := dray.Run(ctx, q, func(context.Context) (int, error) { return 0, nil }); err != nil { // behind all others
		return err
	}
	err = q.Enqueue(ctx, say("remind ada again"), daily...)
	fmt.Fprintln(w, "again on the same day:", errors.Is(err, dray.ErrDuplicate))
	_, err = q.Shutdown(ctx)
	return err
}
