package works

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/a622d8ee/dray/bench/internal/peers"
)

// A counter counts the jobs that have run. One atomic number that all workers
// add to would cost more than some of the queues do, as its cache line goes back
// and forth between the processors. So there are many, each on a line of its
// own, and a job takes the one that the address of its goroutine's stack leads to.
type counter struct {
	stripes [1 << stripeBits]stripe
}

const stripeBits = 8

type stripe struct {
	n atomic.Int64
	_ [120]byte // processors fetch lines in pairs
}

// add counts one job. Stacks are at least 2 KiB apart, whence the shift; the
// multiplication spreads what is left of the address over the stripes.
func (c *counter) add() {
	var here byte
	stack := uint64(uintptr(unsafe.Pointer(&here))) >> 11
	c.stripes[stack*0x9E3779B97F4A7C15>>(64-stripeBits)].n.Add(1)
}

func (c *counter) sum() (n int) {
	for i := range c.stripes {
		n += int(c.stripes[i].n.Load())
	}
	return n
}

// await returns when n jobs have been counted, and keeps a processor busy until then.
func (c *counter) await(n int) {
	for c.sum() < n {
		runtime.Gosched()
	}
}

// job returns a job that counts itself and does nothing else.
func (c *counter) job() peers.Job {
	return peers.Job{
		Plain: func() { c.add() },
		Err:   func() error { c.add(); return nil },
		Ctx:   func(context.Context) error { c.add(); return nil },
	}
}

// awaitAsleep is await for jobs that take long: it leaves the processors to them,
// and is up to a tenth of a millisecond late.
func (c *counter) awaitAsleep(n int) {
	for c.sum() < n {
		pause(50 * time.Microsecond)
	}
}
