package protocol

import (
	"fmt"
	"hash/maphash"
	"strings"
)

// Speed says how soon an action happens once it can.
type Speed uint8

const (
	// Blocked actions cannot happen in this state.
	Blocked Speed = iota
	// Prompt actions happen soon: a goroutine that can go on does.
	Prompt
	// Slow actions may take for ever: the end of a job, the passing of time, a new call.
	Slow
)

// An Action is one of the things that may happen next. Do changes the state it is given,
// and says what has happened, unless the action is Blocked; it is one atomic action: one
// section under a lock, one atomic operation, or one send or receive.
type Action[S any] struct {
	Who string
	Do  func(s *S) (what string, speed Speed)
}

// A System is what can be explored: all states that the actions lead to from the first.
type System[S comparable] struct {
	First     S
	Actions   []Action[S]
	Invariant func(s *S) string // of every state: what is wrong, or nothing
	Quiescent func(s *S) string // of the states in which no action is Prompt: what is wrong, or nothing
}

// A Result says what was explored, and the shortest way to a violation, if there is one.
type Result struct {
	States  int
	Actions int
	Depth   int // of the state that is farthest from the first
	Wrong   string
	Trace   []string
}

// String shows the violation as the sequence of actions that leads to it.
func (r Result) String() string {
	if r.Wrong == "" {
		return fmt.Sprintf("%d states, %d actions, depth %d: nothing wrong", r.States, r.Actions, r.Depth)
	}
	return fmt.Sprintf("%s, after %d actions:\n%s", r.Wrong, len(r.Trace), strings.Join(r.Trace, "\n"))
}

// Explore visits all states, breadth first, until one is wrong: so the trace is as short
// as any. A state is known again exactly, not by its hash alone. At last it looks for
// circles of prompt actions: goroutines that could keep each other busy for ever.
func (sys *System[S]) Explore() Result {
	x := &explorer[S]{System: sys, seed: maphash.MakeSeed(), table: make([]uint32, 1<<10)}
	x.visit(&sys.First, 0, 0)
	for at := 0; at < len(x.states) && x.wrong == ""; at++ {
		x.expand(uint32(at))
	}
	if x.wrong == "" {
		x.findCircle()
	}
	r := Result{States: len(x.states), Actions: x.actions, Wrong: x.wrong, Depth: x.depth(uint32(len(x.states) - 1))}
	if x.wrong != "" {
		r.Trace = append(x.trace(x.at), x.circle...)
	}
	return r
}

// An explorer is one run. A state is named by its place in states.
type explorer[S comparable] struct {
	*System[S]

	seed    maphash.Seed
	states  []S
	from    []uint32 // the state that led to it
	by      []uint8  // the action that did
	table   []uint32 // open addressing: name + 1
	actions int
	wrong   string
	at      uint32   // the state that is wrong
	circle  []string // what happens from there over and over
}

// expand visits what comes right after the state.
func (x *explorer[S]) expand(at uint32) {
	quiescent := true
	for n := range x.Actions {
		s := x.states[at]
		_, speed := x.Actions[n].Do(&s)
		if speed == Blocked {
			continue
		}
		quiescent = quiescent && speed == Slow
		x.actions++
		if x.visit(&s, at, uint8(n)); x.wrong != "" {
			return
		}
	}
	if quiescent && x.Quiescent != nil {
		s := x.states[at]
		x.wrong, x.at = x.Quiescent(&s), at
	}
}

// visit notes a state, if it is new.
func (x *explorer[S]) visit(s *S, from uint32, by uint8) {
	if _, known := x.find(s); known {
		return
	}
	if 4*len(x.states) > 3*len(x.table) {
		x.grow()
	}
	place, _ := x.find(s)
	x.states, x.from, x.by = append(x.states, *s), append(x.from, from), append(x.by, by)
	x.table[place] = uint32(len(x.states))
	if x.Invariant != nil {
		x.wrong, x.at = x.Invariant(s), uint32(len(x.states)-1)
	}
}

// find returns where in the table the state is, or would be.
func (x *explorer[S]) find(s *S) (place uint64, known bool) {
	mask := uint64(len(x.table) - 1)
	for place = maphash.Comparable(x.seed, *s) & mask; x.table[place] != 0; place = (place + 1) & mask {
		if x.states[x.table[place]-1] == *s {
			return place, true
		}
	}
	return place, false
}

func (x *explorer[S]) grow() {
	x.table = make([]uint32, 2*len(x.table))
	for n := range x.states {
		place, _ := x.find(&x.states[n])
		x.table[place] = uint32(n + 1)
	}
}

func (x *explorer[S]) depth(at uint32) (n int) {
	for ; at != 0; at = x.from[at] {
		n++
	}
	return n
}

// trace tells how the state came about.
func (x *explorer[S]) trace(at uint32) []string {
	if at == 0 {
		return nil
	}
	before, a := x.from[at], x.Actions[x.by[at]]
	s := x.states[before]
	what, _ := a.Do(&s)
	return append(x.trace(before), a.Who+": "+what)
}

const busyForEver = "goroutines keep each other busy for ever"

// findCircle walks depth first along prompt actions alone. A state that is met again
// while it is still on the way is part of a circle.
func (x *explorer[S]) findCircle() {
	type visit struct {
		at   uint32
		next int // the action to try
		what string
	}
	const onWay, done = 1, 2
	mark := make([]uint8, len(x.states))
	for first := range x.states {
		if mark[first] != 0 {
			continue
		}
		mark[first] = onWay
		for way := []visit{{at: uint32(first)}}; len(way) > 0; {
			v := &way[len(way)-1]
			to, what, ok := x.prompt(v.at, &v.next)
			switch {
			case !ok:
				mark[v.at] = done
				way = way[:len(way)-1]
			case mark[to] == 0:
				mark[to] = onWay
				v.what = what
				way = append(way, visit{at: to})
			case mark[to] == onWay:
				v.what = what
				for way[0].at != to {
					way = way[1:]
				}
				x.wrong, x.at = busyForEver, to
				for _, v := range way {
					x.circle = append(x.circle, "over and over: "+v.what)
				}
				return
			}
		}
	}
}

// prompt returns where the next prompt action leads.
func (x *explorer[S]) prompt(at uint32, next *int) (to uint32, what string, ok bool) {
	for *next < len(x.Actions) {
		a := x.Actions[*next]
		*next++
		s := x.states[at]
		did, speed := a.Do(&s)
		if speed != Prompt {
			continue
		}
		place, _ := x.find(&s)
		return x.table[place] - 1, a.Who + ": " + did, true
	}
	return 0, "", false
}
