package events_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/goroutines"
	"github.com/a622d8ee/dray/test/kit"
)

// deaf is jobs that are stuck from the end of their timeouts on, and what is told of them.
type deaf struct {
	*testing.T
	q     *dray.Queue
	begun time.Time
	end   chan struct{}         // closed to let the jobs return
	heads kit.Record[headOf]    // of the stacks of their goroutines, as the jobs see them
	told  kit.Record[toldOfJob] // in order
	lines kit.Record[string]    // the same, in words
}

type headOf struct{ label, head string }

// toldOfJob is a JobStuck and when it came.
type toldOfJob struct {
	dray.Event
	at time.Duration
}

func newDeaf(t *testing.T, opts ...dray.Option) *deaf {
	d := &deaf{T: t, end: make(chan struct{}), begun: time.Now()}
	q, err := dray.New(append(opts, dray.WithObserver(d.observe))...)
	require.NoError(t, err)
	d.q = q
	t.Cleanup(d.close)
	return d
}

func (d *deaf) observe(ev dray.Event) {
	switch ev.Kind {
	case dray.JobStuck:
		d.told.Add(toldOfJob{ev, time.Since(d.begun)})
		d.lines.Add(fmt.Sprintf("%s stuck %t", ev.Job.Label, ev.Stack != nil))
	case dray.JobFailed:
		d.lines.Add(ev.Job.Label + " failed")
	case dray.JobRetrying:
		d.lines.Add(ev.Job.Label + " retries")
	case dray.JobInterrupted:
		d.lines.Add(ev.Job.Label + " interrupted")
	case dray.QueueStopped:
		d.lines.Add("stopped")
	}
}

func (d *deaf) start() *deaf {
	require.NoError(d, d.q.Start())
	return d
}

// add enqueues a job that is stuck after so long, and goes on for so long, or until end.
func (d *deaf) add(label string, after, until time.Duration, opts ...dray.JobOption) {
	job := func(context.Context) error {
		var buf [64]byte
		head, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("["))
		d.heads.Add(headOf{label, string(head)})
		select {
		case <-d.end:
		case <-time.After(until):
		}
		return kit.ErrBoom
	}
	require.NoError(d, d.q.Enqueue(context.Background(), job, append(opts, dray.WithLabel(label), dray.WithTimeout(after))...))
}

func (d *deaf) close() {
	close(d.end)
	_ = d.q.Close()
	synctest.Wait()
}

// own requires that each stack that was told is that of the job's goroutine.
func (d *deaf) own() {
	heads := map[string]string{}
	for _, h := range d.heads.All() {
		heads[h.label] = h.head
	}
	for _, e := range d.told.All() {
		require.True(d, bytes.HasPrefix(e.Stack, []byte(heads[e.Job.Label])), "%s: %s", e.Job.Label, e.Stack)
		require.Contains(d, string(e.Stack), "(*deaf).add.")
	}
}

// grace is how long a cancelled job has to return.
const grace = 10 * time.Millisecond

// All jobs that are stuck at one moment are told of at that moment, each once, with its
// own stack.
func TestManyStuckAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		d := newDeaf(t, dray.WithWorkers(n)).start()
		for i := range n {
			d.add(fmt.Sprint(i), time.Second, time.Hour)
		}
		synctest.Wait()
		before := goroutines.InBubble()
		kit.Elapse(time.Minute)
		told := d.told.All()
		require.Len(t, told, n)
		seen := map[dray.ID]bool{}
		for _, e := range told {
			require.Equal(t, time.Second+grace, e.at)
			require.False(t, seen[e.Job.ID])
			seen[e.Job.ID] = true
		}
		d.own()
		require.Equal(t, before, goroutines.InBubble())
	})
}

// Jobs that become stuck one after the other are told of in that order, by one dump a
// second at most, with the time at which each became stuck.
func TestStacksAreLookedUpOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		d := newDeaf(t, dray.WithWorkers(n)).start()
		for i := range n {
			d.add(fmt.Sprint(i), time.Second+time.Duration(i)*3*time.Millisecond, time.Hour)
		}
		kit.Elapse(time.Minute)
		told := d.told.All()
		require.Len(t, told, n)
		var dumps []time.Duration
		for i, e := range told {
			require.Equal(t, fmt.Sprint(i), e.Job.Label)
			require.Equal(t, time.Second+time.Duration(i)*3*time.Millisecond+grace, e.Time.Sub(d.begun))
			require.LessOrEqual(t, e.at, e.Time.Sub(d.begun)+time.Second)
			dumps = append(dumps, e.at)
		}
		dumps = slices.Compact(dumps)
		require.LessOrEqual(t, len(dumps), 4, "3 s, and the first at once")
		for i := range dumps[1:] {
			require.GreaterOrEqual(t, dumps[i+1]-dumps[i], time.Second)
		}
		d.own()
	})
}

// After a pause a job need not wait for its stack.
func TestStackAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(t, dray.WithWorkers(3)).start()
		d.add("a", time.Second, time.Hour)
		d.add("b", 3*time.Second, time.Hour)
		d.add("c", 4500*time.Millisecond, time.Hour)
		kit.Elapse(time.Minute)
		for _, e := range d.told.All() {
			require.Equal(t, e.Time.Sub(d.begun), e.at)
		}
		require.Len(t, d.told.All(), 3)
		d.own()
	})
}

// A job that ends while it waits for its stack is told of without, before its end; its
// next attempt, stuck as well, with one.
func TestStuckIsToldBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(t, dray.WithWorkers(3)).start()
		d.add("long", time.Second, time.Hour)
		d.add("short", 1100*time.Millisecond, 1200*time.Millisecond)
		d.add("again", 1200*time.Millisecond, 1300*time.Millisecond, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
		kit.Elapse(10 * time.Minute)
		require.Equal(t, []string{
			"long stuck true", "short stuck false", "short failed", "again stuck false", "again retries", "again stuck true", "again failed",
		}, d.lines.All())
		require.Equal(t, 2, d.told.All()[3].Job.Attempt)
	})
}

// The worker of a job that has ended runs another one by the time of the dump, whose stack
// is not taken for that of the first.
func TestStackOfAnotherJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(t, dray.WithWorkers(2)).start()
		d.add("long", time.Second, time.Hour)
		d.add("first", 1100*time.Millisecond, 1200*time.Millisecond)
		d.add("second", time.Hour, 2*time.Hour)
		kit.Elapse(time.Minute)
		require.Equal(t, []string{"long stuck true", "first stuck false", "first failed"}, d.lines.All())
	})
}

// At the end of a queue the last jobs are told of at once, with their stacks, before
// QueueStopped. No goroutine is left but those of the jobs, and nothing is told afterwards.
func TestStuckAtTheEnd(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, d *deaf, cancel context.CancelFunc){
		"Close": func(t *testing.T, d *deaf, _ context.CancelFunc) {
			require.ErrorIs(t, d.q.Close(), dray.ErrStillRunning)
		},
		"Shutdown": func(t *testing.T, d *deaf, _ context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := d.q.Shutdown(ctx)
			require.ErrorIs(t, err, dray.ErrStillRunning)
		},
		"Serve": func(_ *testing.T, _ *deaf, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDeaf(t, dray.WithWorkers(3), dray.WithShutdownTimeout(50*time.Millisecond))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go func() { _ = d.q.Serve(ctx) }()
				synctest.Wait()
				before := goroutines.InBubble()
				d.add("a", time.Second, time.Hour)
				d.add("b", 1100*time.Millisecond, time.Hour)
				d.add("c", time.Hour, time.Hour)
				kit.Elapse(1200 * time.Millisecond)
				require.Equal(t, []string{"a stuck true"}, d.lines.All())
				end(t, d, cancel)
				kit.Elapse(150 * time.Millisecond)
				want := []string{"a stuck true", "b stuck true", "c stuck true", "stopped"}
				require.Equal(t, want, d.lines.All())
				d.own()
				require.Less(t, goroutines.InBubble(), before+3, "the jobs', without the tree")
				kit.Elapse(time.Minute)
				require.Equal(t, want, d.lines.All(), "afterwards")
			})
		})
	}
}

// With more goroutines than there is room for, some stacks are not there; the events are, or
// are counted where they were too many for an observer that had no turn meanwhile.
func TestStuckAmongVeryMany(t *testing.T) {
	if testing.Short() {
		t.Skip("30,000 goroutines with deep stacks")
	}
	const jobs = 30_000
	synctest.Test(t, func(t *testing.T) {
		told, dropped, found, odd := 0, uint64(0), 0, 0
		q, err := dray.New(dray.WithWorkers(jobs), dray.WithCapacity(dray.Unbounded), dray.WithFailuresKept(0),
			dray.WithObserver(func(ev dray.Event) {
				if ev.Kind == dray.EventsDropped {
					dropped += ev.Count
					return
				}
				told++
				switch {
				case bytes.Contains(ev.Stack, []byte("goroutine ")):
					found++
				case ev.Stack != nil:
					odd++
				}
			}, dray.JobStuck, dray.EventsDropped))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		for range jobs {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
				deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(10, func() { time.Sleep(time.Minute) })
				return nil
			}, dray.WithTimeout(time.Second)))
		}
		kit.Elapse(10 * time.Second)
		require.EqualValues(t, jobs, uint64(told)+dropped)
		require.Positive(t, found)
		require.Less(t, found, jobs)
		require.Zero(t, odd, "what is there is a stack")
		kit.Elapse(2 * time.Minute)
		require.NoError(t, q.Close())
	})
}

// A pool tells of its jobs as a queue does.
func TestStuckInAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got kit.Record[string]
		p, err := dray.NewPool(2, dray.WithShutdownTimeout(50*time.Millisecond), dray.WithObserver(func(ev dray.Event) {
			switch ev.Kind {
			case dray.JobStuck:
				got.Add(fmt.Sprintf("stuck %t", bytes.Contains(ev.Stack, []byte("Stubborn"))))
			case dray.QueueStopped:
				got.Add("stopped")
			}
		}))
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, p.RunAsync(draytest.Stubborn(time.Minute, nil)))
		}
		require.ErrorIs(t, p.Close(), dray.ErrStillRunning)
		kit.Elapse(time.Hour)
		require.Equal(t, []string{"stuck true", "stuck true", "stopped"}, got.All())
	})
}
