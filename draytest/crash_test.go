package draytest_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/draytest"
)

// What is to crash does, whatever else is to.
func TestCrashesOfOneQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t)
		first, second := draytest.CrashWorker(t, q), draytest.CrashWorker(t, q)
		draytest.CrashOwner(t, q)
		require.Equal(t, uint64(1), q.Stats().Restarts)
		for range 3 {
			require.NoError(t, q.Enqueue(t.Context(), nop))
			synctest.Wait()
		}
		<-first
		<-second
		require.Equal(t, uint64(3), draytest.Drain(t, q).Processed)
		draytest.CrashOwner(t, q)
		require.Equal(t, uint64(2), q.Stats().Restarts)
	})
}

// A worker can die on queues too that have none of their own: the job has settled by then, and the next one
// finds another goroutine.
func TestCrashWorkerOfAQueueThatIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, inline := draytest.NewManual(t), draytest.NewInline(t)
		for n := range 3 {
			died := draytest.CrashWorker(t, m.Queue)
			require.NoError(t, m.Enqueue(t.Context(), nop))
			m.Next()
			<-died
			require.EqualValues(t, n+1, m.Stats().Processed)
			died = draytest.CrashWorker(t, inline)
			require.NoError(t, inline.Enqueue(t.Context(), nop))
			<-died
			require.EqualValues(t, n+1, inline.Stats().Processed)
		}
	})
}
