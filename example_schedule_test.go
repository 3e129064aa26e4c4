package dray_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/a622d8ee/dray"
)

func mustZone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// Every keeps its interval, however long the runs take.
func ExampleEvery() {
	from := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for _, t := range dray.Preview(dray.Every(90*time.Minute), from, 3) {
		fmt.Println(t.Format(time.TimeOnly))
	}
	// Output:
	// 13:30:00
	// 15:00:00
	// 16:30:00
}

// At runs once at each of the times given.
func ExampleAt() {
	newYear := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, t := range dray.Preview(dray.At(newYear.Add(time.Hour), newYear), newYear.Add(-1), 5) {
		fmt.Println(t.Format(time.DateTime))
	}
	// Output:
	// 2027-01-01 00:00:00
	// 2027-01-01 01:00:00
}

// On the day on which the clocks go forward over it, 02:30 is at 03:00; on the
// day on which they go back, it is the first of both.
func ExampleDaily() {
	berlin := mustZone("Europe/Berlin")
	for _, day := range []string{"2026-03-28", "2026-10-24"} {
		from, _ := time.ParseInLocation(time.DateOnly, day, berlin)
		for _, t := range dray.Preview(dray.Daily(2, 30, berlin), from, 3) {
			fmt.Println(t.Format("2006-01-02 15:04 MST"))
		}
	}
	// Output:
	// 2026-03-28 02:30 CET
	// 2026-03-29 03:00 CEST
	// 2026-03-30 02:30 CEST
	// 2026-10-24 02:30 CEST
	// 2026-10-25 02:30 CEST
	// 2026-10-26 02:30 CET
}

func ExampleWeekly() {
	s := dray.Weekly(time.Monday, 9, 0, mustZone("Asia/Kolkata"))
	for _, t := range dray.Preview(s, time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC), 2) {
		fmt.Println(t.Format("Mon 2006-01-02 15:04 MST"))
	}
	// Output:
	// Mon 2026-03-02 09:00 IST
	// Mon 2026-03-09 09:00 IST
}

// The rules for the days on which the clocks change can be chosen.
func ExampleDST() {
	newYork := mustZone("America/New_York")
	show := func(rule string, s dray.Schedule, from time.Time) {
		fmt.Print(rule)
		for _, t := range dray.Preview(s, from, 2) {
			fmt.Print(t.Format(" | Jan 2 15:04 MST"))
		}
		fmt.Println()
	}
	spring := time.Date(2026, time.March, 8, 0, 0, 0, 0, newYork)
	show("02:30 does not exist", dray.Daily(2, 30, newYork), spring)
	show("SkipGap", dray.Daily(2, 30, newYork, dray.SkipGap), spring)
	autumn := time.Date(2026, time.November, 1, 0, 0, 0, 0, newYork)
	show("01:30 exists twice", dray.Daily(1, 30, newYork), autumn)
	show("RepeatFold", dray.Daily(1, 30, newYork, dray.RepeatFold), autumn)
	// Output:
	// 02:30 does not exist | Mar 8 03:00 EDT | Mar 9 02:30 EDT
	// SkipGap | Mar 9 02:30 EDT | Mar 10 02:30 EDT
	// 01:30 exists twice | Nov 1 01:30 EDT | Nov 2 01:30 EST
	// RepeatFold | Nov 1 01:30 EDT | Nov 1 01:30 EST
}

// monthly is a schedule of one's own: the first of each month.
type monthly struct{}

func (monthly) Next(after time.Time) time.Time {
	y, m, _ := after.Date()
	return time.Date(y, m+1, 1, 0, 0, 0, 0, after.Location())
}

// InZone makes a schedule that knows only UTC right in any zone. In São Paulo
// the clocks went forward at midnight.
func ExampleInZone() {
	s := dray.InZone(monthly{}, mustZone("America/Sao_Paulo"))
	for _, t := range dray.Preview(s, time.Date(2026, time.March, 5, 0, 0, 0, 0, time.UTC), 2) {
		fmt.Println(t)
	}
	// Output:
	// 2026-04-01 00:00:00 -0300 -03
	// 2026-05-01 00:00:00 -0300 -03
}

// When a task will run is known before it does.
func ExampleScheduler_Preview() {
	q, _ := dray.New()
	defer q.Close()
	soon := time.Now().Add(time.Hour)
	_ = q.Scheduler().Schedule("report", dray.At(soon, soon.Add(time.Hour)), func(context.Context) error { return nil })
	next, err := q.Scheduler().Preview("report", 10)
	fmt.Println(len(next), next[1].Sub(next[0]), err)
	// Output:
	// 2 1h0m0s <nil>
}

// A run that is due while the one before is still running is skipped, by default,
// and counted.
func ExampleWithOverlap() {
	q, _ := dray.New(dray.WithWorkers(2))
	_ = q.Start()
	defer q.Close()
	started, release := make(chan struct{}), make(chan struct{})
	_ = q.Scheduler().Schedule("import", dray.Every(24*time.Hour), func(context.Context) error {
		started <- struct{}{}
		<-release
		return nil
	}, dray.WithOverlap(dray.SkipOverlap))
	_ = q.Scheduler().RunNow("import")
	<-started
	_ = q.Scheduler().RunNow("import")
	task := q.Scheduler().Tasks()[0]
	fmt.Println("due", task.Due, "runs", task.Runs, "overlapped", task.Overlapped, "running", task.Running)
	close(release)
	// Output:
	// due 2 runs 1 overlapped 1 running true
}

// A task that came due while the service was down is made up for, once by default.
func ExampleWithMissed() {
	q, _ := dray.New(dray.WithWorkers(1))
	done := make(chan struct{}, 5)
	_ = q.Scheduler().Schedule("invoices", dray.Every(24*time.Hour), func(ctx context.Context) error {
		done <- struct{}{}
		return nil
	}, dray.WithLastRun(time.Now().Add(-100*time.Hour)), dray.WithMissed(dray.RunAll(3)))
	_ = q.Start()
	for range 3 {
		<-done
	}
	task := q.Scheduler().Tasks()[0]
	fmt.Println("due", task.Due, "missed", task.Missed)
	_ = q.Close()
	// Output:
	// due 4 missed 1
}

// oncePerTick is a Locker for the instances in one process; one for many machines
// would do the same in a row of a database.
type oncePerTick struct {
	mu   sync.Mutex
	last time.Time
}

func (l *oncePerTick) Lock(ctx context.Context, task string, due time.Time) (context.Context, func(), error) {
	l.mu.Lock()
	if !due.After(l.last) {
		l.mu.Unlock()
		return nil, nil, dray.ErrLocked
	}
	l.last = due
	return ctx, l.mu.Unlock, nil
}

// Of two instances of a service, one runs each tick.
func ExampleWithLock() {
	lock := new(oncePerTick)
	due := time.Now().Add(50 * time.Millisecond)
	ended := make(chan struct{}, 2)
	instances := make([]*dray.Queue, 2)
	for i := range instances {
		q, _ := dray.New(dray.WithObserver(func(e dray.Event) {
			if e.Kind == dray.TaskEnded {
				ended <- struct{}{}
			}
		}))
		_ = q.Scheduler().Schedule("billing", dray.At(due), func(context.Context) error {
			fmt.Println("billing")
			return nil
		}, dray.WithLock(lock))
		_ = q.Start()
		instances[i] = q
	}
	<-ended
	<-ended
	left := uint64(0)
	for _, q := range instances {
		left += q.Scheduler().Tasks()[0].Locked
		_ = q.Close()
	}
	fmt.Println("left to another instance:", left)
	// Output:
	// billing
	// left to another instance: 1
}
