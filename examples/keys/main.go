// Keys shows jobs that belong together, here the bookings of one account, in order
// and one at a time, while other accounts go on beside them.
//
//	go run ./examples/keys
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/a622d8ee/dray"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// A booking changes the balance of an account.
type booking struct {
	account string
	amount  int
}

// A bank is where accounts have their balances. Each is changed by the jobs of its
// own key alone, so it needs no lock.
type bank map[string]*account

type account struct {
	balance int
	history []int
}

func run(ctx context.Context, w io.Writer) error {
	q, err := dray.New(dray.WithWorkers(8))
	if err != nil {
		return err
	}
	b := bank{"ada": {}, "bob": {}, "eve": {}}
	book, err := dray.Handle(q, "booking", b.book)
	if err != nil {
		return err
	}
	if err := q.Start(); err != nil {
		return err
	}
	for i := range 300 {
		name := []string{"ada", "bob", "eve"}[i%3]
		if err := book.Enqueue(ctx, booking{name, i}, dray.WithKey(name)); err != nil {
			return err
		}
	}
	if _, err := q.Shutdown(ctx); err != nil {
		return err
	}
	for _, name := range []string{"ada", "bob", "eve"} {
		fmt.Fprintln(w, name, b[name].balance, "first", b[name].history[:3], "in order:", b[name].inOrder())
	}
	return nil
}

func (b bank) book(_ context.Context, m booking) error {
	a := b[m.account]
	a.balance += m.amount
	a.history = append(a.history, m.amount)
	return nil
}

func (a *account) inOrder() bool {
	for i := range a.history[1:] {
		if a.history[i] >= a.history[i+1] {
			return false
		}
	}
	return true
}
