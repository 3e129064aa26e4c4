// Package queue_test is about the rules of a queue that have no suite of their own.
package queue_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// events keeps what an observer is told.
type events struct {
	mu  sync.Mutex
	all []dray.Event
}

func (e *events) observe(ev dray.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// of returns the events of one kind.
func (e *events) of(kind dray.EventKind) (es []dray.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Kind == kind {
			es = append(es, ev)
		}
	}
	return es
}

// bubble is a test in virtual time, on a clock that has run for a while.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(73*time.Hour + 11*time.Minute + 7*time.Millisecond)
		f(t)
	})
}

// started returns a queue of one worker that runs.
func started(t *testing.T, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q, err := dray.New(append([]dray.Option{dray.WithWorkers(1)}, opts...)...)
	require.NoError(t, err)
	require.NoError(t, q.Start())
	t.Cleanup(func() { _ = q.Close() })
	synctest.Wait()
	return q
}

func add(t *testing.T, q *dray.Queue, fn dray.Func, opts ...dray.JobOption) {
	t.Helper()
	require.NoError(t, q.Enqueue(context.Background(), fn, opts...))
}
