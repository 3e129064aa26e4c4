package peers

import "sync"

// chanCapacity is that of the channel everything is compared with: large enough
// that neither side often waits for the other, as people write it.
const chanCapacity = 1024

// Channel is the yardstick: a buffered channel and workers that range over it.
var Channel = Maker{Name: "channel", New: func(workers int) Pool { return NewChannel(workers, chanCapacity) }}

type channel struct {
	jobs    chan func()
	workers sync.WaitGroup
}

// NewChannel returns a buffered channel with workers that range over it.
func NewChannel(workers, capacity int) Pool {
	c := &channel{jobs: make(chan func(), capacity)}
	for range workers {
		c.workers.Go(c.work)
	}
	return c
}

func (c *channel) work() {
	for job := range c.jobs {
		job()
	}
}

func (c *channel) Enqueue(j Job, n int) {
	for range n {
		c.jobs <- j.Plain
	}
}

func (c *channel) Close() {
	close(c.jobs)
	c.workers.Wait()
}

// Go is a goroutine for each job. It has no bound on the workers, so it is a
// contender only where that does not matter.
var Go = Maker{Name: "go + WaitGroup", New: func(int) Pool { return &goroutines{} }}

type goroutines struct{ running sync.WaitGroup }

func (g *goroutines) Enqueue(j Job, n int) {
	for range n {
		g.running.Go(j.Plain)
	}
}

func (g *goroutines) Close() { g.running.Wait() }
