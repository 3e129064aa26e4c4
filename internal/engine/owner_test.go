package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Owners that end without a tick break no rule: a caller goes on until one makes its change, or
// until it can make that itself.
func TestOwnersThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(nil, Config{Core: core.Config{Workers: 1}, Clock: clock.New()})
		made, answered := 0, false
		r := e.newRequest()
		<-e.state
		go func() { answered = e.submit(r, func(*core.Core, time.Duration) { made++ }) }()
		for range 5 {
			synctest.Wait()
			r.reply <- false // as resign says it; and the next owner is there before the caller
		}
		synctest.Wait()
		require.Zero(t, made)
		require.False(t, answered)
		e.state <- struct{}{}
		synctest.Wait()
		require.True(t, answered)
		require.Equal(t, 1, made)
	})
}

// A caller whose own ticks crash gives up, and nothing of its request is left; if it was made by
// then, that counts, whatever it hears first.
func TestTicksOfACallerThatCrash(t *testing.T) {
	for name, last := range map[string]bool{"not made": false, "made by the last owner": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New(nil, Config{Core: core.Config{Workers: 1}, Clock: clock.New()})
				e.host = catching{}
				ticks := 0
				r := e.newRequest()
				e.SetFault(func(string) {
					if ticks++; ticks == maxTries && last {
						r.reply <- false
						r.reply <- true
					}
					panic("a rule is broken")
				})
				e.mail.closed = true
				require.Equal(t, last, e.submit(r, func(*core.Core, time.Duration) {}))
				require.Equal(t, maxTries, ticks)
				require.Len(t, e.state, 1)
				if !last {
					require.Empty(t, e.mail.asked)
					require.Zero(t, e.todo.len())
				}
			})
		})
	}
}

type catching struct{ Host }

func (catching) Caught(any) error { return errors.New("caught") }
