package core

import (
	"testing"

	"pgregory.net/rapid"
)

// choices are those of rapid, which finds a shorter story when one ends badly.
type choices struct{ t *rapid.T }

func (c choices) below(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "choice") }

// TestCoreStateMachine is TestCoreIsTheModel with rapid at the wheel: it weighs the
// commands otherwise than the script does, and shrinks.
func TestCoreStateMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDuel(t, choices{t})
		t.Repeat(map[string]func(*rapid.T){
			"post":    func(*rapid.T) { d.postBoth() },
			"offer":   func(*rapid.T) { d.offerBoth() },
			"claim":   func(*rapid.T) { d.claimBoth() },
			"settle":  func(*rapid.T) { d.settleBoth(d.s.below(8)) },
			"cancel":  func(*rapid.T) { d.cancelBoth() },
			"advance": func(*rapid.T) { d.advanceBoth() },
			"pause":   func(*rapid.T) { d.pauseBoth() },
			"resize":  func(*rapid.T) { d.resizeBoth() },
			"rare":    func(*rapid.T) { d.rareBoth() },
			"read":    func(*rapid.T) { d.readBoth() },
			"":        func(*rapid.T) { d.compare(); d.check() },
		})
	})
}
