package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An attempt may be seen to have ended after its job's deadline was heeded, and have ended
// before it. The job then waits for another one, and its deadline is heeded again, even if
// nothing may start.
func TestDeadlineOfOneThatEndedBefore(t *testing.T) {
	w := one(t)
	j := newJob("a")
	j.MaxAttempts, j.Within = 2, time.Second
	w.offer(j)
	require.True(t, w.claim("w"))
	w.do(func(c *Core) { c.Pause() })
	ended := w.now + time.Second - 1
	w.advance(time.Second + 2)
	w.do(func(c *Core) { c.Settle(w.run("w"), failed(), ended) })
	require.Equal(t, Retrying, j.State)
	w.advance(0)
	require.Equal(t, Failed, j.State)
	require.EqualValues(t, 1, w.c.Snapshot().Failed)
	w.check()
}
