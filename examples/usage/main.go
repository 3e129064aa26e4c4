// Usage is the program of the README.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/a622d8ee/dray"
)

type Email struct{ To string }

func main() {
	q, err := dray.New(
		dray.WithWorkers(8),
		dray.WithLogger(slog.Default()),
		dray.WithPeriodic("cleanup", dray.Every(30*time.Minute), cleanup),
	)
	check(err)
	email, err := dray.Handle(q, "email", send, dray.WithMaxAttempts(5), dray.WithTimeout(time.Minute))
	check(err)
	check(q.Start())

	ctx := context.Background()
	check(email.Enqueue(ctx, Email{To: "ada@example.com"})) // data for the handler of its kind
	check(q.Enqueue(ctx, cleanup, dray.WithKey("disk 1")))  // a function, one at a time per key
	n, err := dray.Run(ctx, q, count)                       // a function with a result, waited for
	fmt.Println("counted", n, err)

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	report, err := q.Shutdown(ctx) // takes no more, finishes what is in line, says what was left
	check(err)
	fmt.Println(q.Stats().Processed, "processed,", len(report.Waiting), "left")
}

func send(ctx context.Context, m Email) error { fmt.Println("mail to", m.To); return nil }
func cleanup(ctx context.Context) error       { return nil }
func count(ctx context.Context) (int, error)  { return 3, nil }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
