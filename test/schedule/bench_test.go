package schedule_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// hundredThousand tasks of 1 to 6 s are what BenchmarkLateness is about.
const hundredThousand = 100_000

// periodOf spreads the periods evenly.
func periodOf(i int) time.Duration { return time.Second + time.Duration(i*7919%5000)*time.Millisecond }

// latenesses collects how late runs were.
type latenesses struct {
	n    atomic.Int64
	late [1 << 20]atomic.Int64
}

func (l *latenesses) note(due time.Time) {
	l.late[l.n.Add(1)%int64(len(l.late))].Store(int64(time.Since(due)))
}

// BenchmarkLateness lets tasks run for some seconds, as bare timers and as tasks,
// and reports how late they were and what each costs in memory. Compare the two
// of one round only, as the machine has its say:
//
//	go test -run '^$' -bench Lateness -benchtime 1x -count 5 ./test/schedule
func BenchmarkLateness(b *testing.B) {
	b.Run("AfterFunc", func(b *testing.B) { lateness(b, timersOf) })
	b.Run("dray", func(b *testing.B) { lateness(b, tasksOf) })
}

func lateness(b *testing.B, start func(*testing.B, *latenesses) (stop func())) {
	for range b.N {
		l := new(latenesses)
		before := heapInUse()
		stop := start(b, l)
		perTask := float64(heapInUse()-before) / hundredThousand
		<-time.After(1500 * time.Millisecond) // what was held up by the collections above
		first := l.n.Load()
		<-time.After(4 * time.Second)
		last := l.n.Load()
		stop()
		var late []int64
		for i := first; i < last; i++ {
			late = append(late, l.late[i%int64(len(l.late))].Load())
		}
		slices.Sort(late)
		b.ReportMetric(float64(late[len(late)/2]), "p50-ns")
		b.ReportMetric(float64(late[len(late)*99/100]), "p99-ns")
		b.ReportMetric(perTask, "B/task")
		b.ReportMetric(float64(len(late))/4, "runs/s")
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func timersOf(_ *testing.B, l *latenesses) (stop func()) {
	var stopped atomic.Bool
	timers := make([]*time.Timer, hundredThousand)
	for i := range timers {
		period := periodOf(i)
		due := time.Now().Add(period)
		ready := make(chan struct{})
		timers[i] = time.AfterFunc(period, func() {
			<-ready
			l.note(due)
			if due = due.Add(period); !stopped.Load() {
				timers[i].Reset(time.Until(due))
			}
		})
		close(ready)
	}
	return func() {
		stopped.Store(true)
		for _, t := range timers {
			t.Stop()
		}
	}
}

func tasksOf(b *testing.B, l *latenesses) (stop func()) {
	q, err := dray.New()
	require.NoError(b, err)
	require.NoError(b, q.Start())
	for i := range hundredThousand {
		period := periodOf(i)
		due := time.Now().Add(period)
		err := q.Scheduler().Schedule(fmt.Sprint("task-", i), dray.Every(period), func(context.Context) error {
			l.note(due)
			due = due.Add(period)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return func() { require.NoError(b, q.Close()) }
}

// BenchmarkScheduleUnscheduleMillion is adding and removing a task while there are
// a million others; see BenchmarkContainerHeapMillion in internal/timerqueue.
func BenchmarkScheduleUnscheduleMillion(b *testing.B) {
	q, err := dray.New()
	require.NoError(b, err)
	require.NoError(b, q.Start())
	defer q.Close()
	s := q.Scheduler()
	nothing := func(context.Context) error { return nil }
	names := make([]string, 1<<20)
	for i := range names {
		names[i] = fmt.Sprint("task-", i)
		if err := s.Schedule(names[i], dray.Every(time.Hour+time.Duration(i*7919%1_000_003)*time.Millisecond), nothing); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		name := names[i*7919%len(names)]
		if s.Unschedule(name) != nil || s.Schedule(name, dray.Every(time.Hour+time.Duration(i)*time.Microsecond), nothing) != nil {
			b.Fatal("it should be there")
		}
		i++
	}
}

// BenchmarkPeriodicRun is the whole way of a run, from due to settled.
func BenchmarkPeriodicRun(b *testing.B) {
	q, err := dray.New(dray.WithWorkers(1))
	require.NoError(b, err)
	require.NoError(b, q.Start())
	defer q.Close()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	const tasks = 1000
	b.ReportAllocs()
	b.ResetTimer()
	for i := range tasks {
		require.NoError(b, q.Scheduler().Schedule(fmt.Sprint(i), dray.Every(time.Microsecond), func(context.Context) error {
			if left.Add(-1) == 0 {
				close(done)
			}
			return nil
		}))
	}
	<-done
}
