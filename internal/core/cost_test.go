package core

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// quiet is a core that nobody watches, with one place.
func quiet() (*Core, *Run) {
	c, r := New(Config{Workers: 1, Capacity: -1, FailuresKept: 10}), new(Run)
	c.Join(r)
	return c, r
}

func TestPlainJobAllocatesNothing(t *testing.T) {
	c, r := quiet()
	var box Mailbox
	var id uint64
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		id++
		box.Push(Entry{Fn: noop, ID: id})
		c.Collect(&box)
		c.Claim(r, 0)
		c.Settle(r, Result{}, 0)
		c.Effects()
	}))
}

// inUse returns how many bytes are in use more after f than before.
func inUse(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

const slack = 256 << 10 // chunks kept for reuse, maps, the runtime

// In a queue whose workers are all busy, or that is paused, nothing is popped.
func TestCancelledJobsTakeNoMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		offer func(c *Core, id uint64)
	}{
		{"plain", func(c *Core, id uint64) {
			var box Mailbox
			box.Push(Entry{Fn: noop, ID: id})
			c.Collect(&box)
		}},
		{"with a record", func(c *Core, id uint64) { c.Accept(newJob(""), id, 0) }},
		{"behind a key", func(c *Core, id uint64) {
			j := newJob("")
			j.Key = "k"
			c.Accept(j, id, 0)
		}},
		{"unique", func(c *Core, id uint64) {
			j := newJob("")
			j.Unique = "u"
			c.Accept(j, id, 0)
		}},
		{"delayed", func(c *Core, id uint64) {
			j := newJob("")
			j.RunAt = time.Hour
			c.Accept(j, id, 0)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, _ := quiet()
			c.offer(q, 1) // one that stays, but for the unique key
			if c.name == "unique" {
				require.True(t, q.Cancel(1, 0))
			}
			bytes := inUse(func() {
				for id := uint64(2); id < 20_000; id++ {
					c.offer(q, id)
					require.True(t, q.Cancel(id, 0))
				}
			})
			require.Less(t, bytes, int64(slack))
			runtime.KeepAlive(q)
		})
	}
}

func TestDroppedJobsTakeNoMemory(t *testing.T) {
	for _, policy := range []Overflow{Reject, DropNewest, DropOldest} {
		c := New(Config{Workers: 1, Capacity: 10, Overflow: policy})
		bytes := inUse(func() {
			for id := uint64(1); id < 20_000; id++ {
				c.Accept(newJob(""), id, 0)
			}
		})
		require.Less(t, bytes, int64(slack), "policy %d", policy)
		runtime.KeepAlive(c)
	}
}

// Resuming a kind happens under the lock that everybody waits for.
func TestResumeKindIsLinear(t *testing.T) {
	const n = 20_000
	c, r := quiet()
	for id := uint64(1); id <= n; id++ {
		j := newJob("")
		j.Kind = "k"
		c.Accept(j, id, 0)
	}
	c.PauseKind("k")
	require.False(t, c.Claim(r, 0))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.ResumeKind("k")
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*n))
	for id := uint64(1); id <= n; id++ {
		require.True(t, c.Claim(r, 0))
		require.Equal(t, id, r.ID)
		c.Settle(r, Result{}, 0)
	}
}

func BenchmarkPlainJob(b *testing.B) {
	c, r := quiet()
	var box Mailbox
	var id uint64
	b.ReportAllocs()
	for b.Loop() {
		id++
		box.Push(Entry{Fn: noop, ID: id})
		c.Collect(&box)
		c.Claim(r, 0)
		c.Settle(r, Result{}, 0)
	}
}

// The same without the mailbox, which the workers empty only now and then.
func BenchmarkClaimSettlePlain(b *testing.B) {
	c, r := quiet()
	var box Mailbox
	var id uint64
	b.ReportAllocs()
	for b.Loop() {
		if c.Ready() == 0 {
			for range 1000 {
				id++
				box.Push(Entry{Fn: noop, ID: id})
			}
			c.Collect(&box)
		}
		c.Claim(r, 0)
		c.Settle(r, Result{}, 0)
	}
}

func BenchmarkRecordJob(b *testing.B) {
	c, r := quiet()
	var id uint64
	b.ReportAllocs()
	for b.Loop() {
		id++
		c.Accept(&Job{Fn: noop, Spec: &Spec{MaxAttempts: 1, Timeout: time.Second}}, id, 0)
		c.Claim(r, 0)
		c.Settle(r, Result{}, 0)
	}
}

func BenchmarkClaimAmongThreePriorities(b *testing.B) {
	c, r := quiet()
	var id uint64
	b.ReportAllocs()
	for b.Loop() {
		id++
		c.Accept(&Job{Fn: noop, Spec: &Spec{MaxAttempts: 1, Priority: Priority(id%3) - 1}}, id, 0)
		if id > 1000 {
			c.Claim(r, 0)
			c.Settle(r, Result{}, 0)
		}
	}
}
