package peers

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"

	"github.com/a622d8ee/dray"
)

// A Caller submits a function and waits for its result.
type Caller interface {
	// Call does that n times, and returns the sum of the results. Many goroutines
	// may call it at once.
	Call(n int) int
	Close()
}

// A CallMaker makes the callers of one contender.
type CallMaker struct {
	Name string
	New  func(workers int) Caller
}

// Callers returns all contenders, the yardstick first.
func Callers() []CallMaker {
	return []CallMaker{
		{"channel", func(w int) Caller { return &chanCaller{NewChannel(w, chanCapacity).(*channel)} }},
		{"dray Run", func(w int) Caller { return &drayCaller{NewDray(w)} }},
		{"pond Submit", func(w int) Caller { return pondCaller{pond.NewResultPool[int](w)} }},
		{"ants", func(w int) Caller { return antsCaller{newAnts(w).(antsPool)} }},
		{"workerpool", func(w int) Caller { return gammazeroCaller{gammazero{workerpool.New(w)}} }},
		{"go + WaitGroup", func(int) Caller { return goCaller{} }},
		{"raw actor", func(int) Caller { return NewActor() }},
	}
}

// one is the work: that it takes no time is the point.
func one() int { return 1 }

// sum adds up n calls.
func sum(n int, call func() int) (total int) {
	for range n {
		total += call()
	}
	return total
}

type drayCaller struct{ *DrayPool }

func (c *drayCaller) Call(n int) int {
	ctx := context.Background()
	fn := func(context.Context) (int, error) { return one(), nil }
	return sum(n, func() int {
		v, err := dray.Run(ctx, c.Queue, fn)
		check(err)
		return v
	})
}

// chanCaller has a result channel made for each call, as people write it.
type chanCaller struct{ *channel }

func (c *chanCaller) Call(n int) int {
	return sum(n, func() int {
		result := make(chan int, 1)
		c.jobs <- func() { result <- one() }
		return <-result
	})
}

type pondCaller struct{ pond.ResultPool[int] }

func (c pondCaller) Call(n int) int {
	return sum(n, func() int {
		v, err := c.Submit(one).Wait()
		check(err)
		return v
	})
}

func (c pondCaller) Close() { c.StopAndWait() }

type antsCaller struct{ antsPool }

func (c antsCaller) Call(n int) int {
	return sum(n, func() int {
		result := make(chan int, 1)
		check(c.Submit(func() { result <- one() }))
		return <-result
	})
}

type gammazeroCaller struct{ gammazero }

func (c gammazeroCaller) Call(n int) int {
	return sum(n, func() int {
		var v int
		c.SubmitWait(func() { v = one() })
		return v
	})
}

type goCaller struct{}

func (goCaller) Call(n int) int {
	return sum(n, func() int {
		var done sync.WaitGroup
		var v int
		done.Go(func() { v = one() })
		done.Wait()
		return v
	})
}

func (goCaller) Close() {}

// An actor answers requests one after the other.
type actor struct {
	requests chan chan int
	replies  sync.Pool
	ended    sync.WaitGroup
}

// NewActor returns an actor: a plain request and reply over two channels, the
// replies' pooled. It is what a round trip costs at least.
func NewActor() Caller {
	a := &actor{requests: make(chan chan int), replies: sync.Pool{New: func() any { return make(chan int, 1) }}}
	a.ended.Go(func() {
		for reply := range a.requests {
			reply <- one()
		}
	})
	return a
}

func (a *actor) Call(n int) int {
	return sum(n, func() int {
		reply := a.replies.Get().(chan int)
		a.requests <- reply
		v := <-reply
		a.replies.Put(reply)
		return v
	})
}

func (a *actor) Close() {
	close(a.requests)
	a.ended.Wait()
}
