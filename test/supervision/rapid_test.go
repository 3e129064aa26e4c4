package supervision_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// drawn is a source of chance that rapid controls, and shrinks.
type drawn struct{ t *rapid.T }

func (d drawn) Uint64() uint64 { return rapid.Uint64().Draw(d.t, "chance") }

// TestSupervisorStateMachine does to a random tree of supervisors, in virtual time,
// what rapid chooses, and compares it with the model of OTP's after each step.
func TestSupervisorStateMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(undated{t}, func(t *rapid.T) {
			r := newRehearsal(t, rand.New(drawn{t}))
			top, finish := r.begin()
			defer finish()
			act := func(do func()) func(*rapid.T) {
				return func(t *rapid.T) {
					if !top.up {
						t.SkipNow()
					}
					do()
					r.compare(top)
				}
			}
			if top.up {
				t.Repeat(map[string]func(*rapid.T){
					"kill":  act(func() { r.killOne(top) }),
					"fail":  act(r.failStarts),
					"pause": act(func() { time.Sleep(time.Duration(r.rng.IntN(5)) * time.Second / 2) }),
					"call":  act(func() { running := runningOf(top); r.request(running[r.rng.IntN(len(running))]) }),
					"rest":  func(*rapid.T) {}, // so that there is something to do when the tree has ended
				})
			}
			r.end(top)
		})
	})
}

// undated is a test without a deadline, which may not be asked for in a bubble.
type undated struct{ testing.TB }
