package protocol

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Two goroutines that add one to a counter by reading and writing it.
type counters struct{ n, pc0, pc1, read0, read1 uint8 }

func adder(who string, pc, read func(*counters) *uint8) Action[counters] {
	return Action[counters]{who, func(s *counters) (string, Speed) {
		switch pc, read := pc(s), read(s); *pc {
		case 0:
			*pc, *read = 1, s.n
			return "reads", Prompt
		case 1:
			*pc, s.n, *read = 2, *read+1, 0
			return "writes", Prompt
		}
		return "", Blocked
	}}
}

func TestExploreFindsTheShortestWay(t *testing.T) {
	sys := System[counters]{
		Actions: []Action[counters]{
			adder("a", func(s *counters) *uint8 { return &s.pc0 }, func(s *counters) *uint8 { return &s.read0 }),
			adder("b", func(s *counters) *uint8 { return &s.pc1 }, func(s *counters) *uint8 { return &s.read1 }),
		},
		Quiescent: func(s *counters) string {
			if s.n != 2 {
				return "an addition was lost"
			}
			return ""
		},
	}
	r := sys.Explore()
	assert.Equal(t, "an addition was lost", r.Wrong)
	assert.Len(t, r.Trace, 4)
	assert.Contains(t, r.String(), "a: reads\nb: reads\n")

	sys.Quiescent = nil
	r = sys.Explore()
	assert.Empty(t, r.Wrong)
	// Each has read nothing, a number, or written: 3 × 3 places, of which the pair "one
	// reads, one has written" and "both have written" come in two values each.
	assert.Equal(t, 12, r.States)
	assert.Equal(t, 4, r.Depth)
	assert.Contains(t, r.String(), "nothing wrong")
}

func TestExploreLooksAtEveryState(t *testing.T) {
	sys := System[uint16]{
		Actions:   []Action[uint16]{{"clock", func(s *uint16) (string, Speed) { *s++; return "ticks", Slow }}},
		Invariant: func(s *uint16) string { return map[bool]string{true: "that many"}[*s == 5000] },
	}
	r := sys.Explore()
	assert.Equal(t, "that many", r.Wrong)
	assert.Len(t, r.Trace, 5000)

	sys.Invariant = nil
	r = sys.Explore() // a circle of slow actions is none
	assert.Empty(t, r.Wrong)
	assert.Equal(t, 1<<16, r.States)
}

func TestExploreFindsCircles(t *testing.T) {
	sys := System[uint8]{Actions: []Action[uint8]{
		{"a", func(s *uint8) (string, Speed) {
			if *s == 0 {
				*s = 1
				return "begins", Slow
			}
			*s = 3 - *s
			return "turns over", Prompt
		}},
	}}
	r := sys.Explore()
	assert.Equal(t, busyForEver, r.Wrong)
	assert.Equal(t, []string{"a: begins", "over and over: a: turns over", "over and over: a: turns over"}, r.Trace)
}
