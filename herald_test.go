package dray

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeraldSurvivesItsListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []uint64
		h := newHerald(common{clock: newClock(), observers: []Observer{
			func(e Event) {
				switch e.(EventsDropped).Count {
				case 1:
					panic("observer")
				case 2:
					runtime.Goexit()
				}
			},
			func(e Event) { told = append(told, e.(EventsDropped).Count) },
		}})
		for n := range uint64(5) {
			h.emit(EventsDropped{Count: n})
		}
		_ = h.flush(t.Context())
		require.Equal(t, []uint64{0, 1, 2, 3, 4}, told)
	})
}

func TestHeraldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var events, dropped uint64
		h := newHerald(common{clock: newClock(), observers: []Observer{func(e Event) {
			<-gate
			if d, ok := e.(EventsDropped); ok {
				dropped += d.Count
				return
			}
			events++
		}}})
		h.emit(QueueStarted{})
		synctest.Wait() // it is being told, and no longer waits
		const n = maxUndelivered + 100
		for range n {
			h.emit(QueueStarted{})
		}
		ended, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = h.flush(ended) // returns, although nothing moves
		close(gate)
		_ = h.flush(t.Context())
		require.Equal(t, uint64(maxUndelivered+1), events)
		require.Equal(t, uint64(100), dropped)
	})
}

func TestLogTellsWhatMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		q, err := New(WithName("mail"), WithWorkers(1), WithCapacity(1), WithLogger(slog.New(slog.NewTextHandler(&buf, nil))))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		fail := func(context.Context) error { return errors.New("boom") }
		require.NoError(t, q.Enqueue(t.Context(), fail, WithLabel("greeting"), WithMaxAttempts(2), WithBackoff(Constant(time.Second))))
		time.Sleep(time.Minute)
		require.NoError(t, q.Pause())
		for range 100 {
			_ = q.Enqueue(t.Context(), fail)
		}
		_, err = q.Shutdown(t.Context())
		require.NoError(t, err)
		log := buf.String()
		require.Contains(t, log, `level=WARN msg="attempt failed" dray=mail id=1 attempt=1 label=greeting next=2000-01-01T00:00:01.000Z error=boom`)
		require.Contains(t, log, `level=ERROR msg="job failed" dray=mail id=1 attempt=2 label=greeting error=boom`)
		require.Equal(t, 2, strings.Count(log, "jobs rejected"), "at once, and at the end")
		require.Contains(t, log, `msg="queue stopped" dray=mail enqueued=2 processed=0 failed=1 cancelled=0 evicted=0 rejected=99`)
		require.Contains(t, log, "waiting=1")
	})
}
