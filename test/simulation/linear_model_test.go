package simulation_test

import (
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/a622d8ee/dray"
)

// This file has the sequential specification of a queue with one worker: what may
// come out of each operation if they happened one after another.

// fifoCapacity is that of the queue under test: small, so that it is full now and then.
const fifoCapacity = 5

// A verb is what was done.
type verb string

const (
	enqueue     verb = "enqueue"
	enqueueSync verb = "enqueue sync"
	stats       verb = "stats"
	pause       verb = "pause"
	resume      verb = "resume"
	cancel      verb = "cancel"
	refuse      verb = "refuse" // Shutdown's first half
	leave       verb = "leave"  // and its second
	claim       verb = "claim"  // by the worker
	settle      verb = "settle" // by the worker
)

// An input is an operation: job names the job, by a number of the test's own.
type input struct {
	verb verb
	job  byte
	id   dray.ID
}

// An output is what the caller got.
type output struct {
	err     error
	receipt dray.Receipt
	stats   dray.Stats
	left    string // the jobs in the Report
}

// fifoState is the whole state. It is comparable, so that porcupine can tell
// states apart; waiting has the jobs in order, ids their IDs.
type fifoState struct {
	waiting, ids       string
	running            byte // 0: none
	runningID          byte
	accepted           byte
	processed          byte
	cancelled          byte
	rejected           byte
	paused, shut, over bool
}

// fifoModel is the specification as porcupine wants it.
var fifoModel = porcupine.Model{
	Init: func() any { return fifoState{} },
	Step: func(state, in, out any) (bool, any) {
		s := state.(fifoState)                 //nolint:forcetypeassert // as Init has it
		ok := s.step(in.(input), out.(output)) //nolint:forcetypeassert // as the history has it
		return ok, s
	},
}

// step reports whether the operation may have had this result now, and does it.
func (s *fifoState) step(in input, out output) bool {
	switch in.verb {
	case enqueue, enqueueSync:
		return s.enqueue(in, out)
	case stats:
		return out.stats == s.stats()
	case pause:
		return s.setPaused(true, out.err)
	case resume:
		return s.setPaused(false, out.err)
	case cancel:
		return s.cancel(byte(in.id), out.err)
	case refuse:
		s.shut = true
		return true
	case leave:
		ok := s.shut && s.running == 0 && (s.paused || s.waiting == "") && out.left == s.waiting && out.err == nil
		s.over = true
		return ok
	case claim:
		return s.claim(in.job)
	default:
		ok := s.running == in.job
		s.running, s.runningID = 0, 0
		s.processed++
		return ok
	}
}

func (s *fifoState) enqueue(in input, out output) bool {
	switch {
	case s.shut:
		return out.err == dray.ErrClosed //nolint:errorlint // the model is exact
	case len(s.waiting) == fifoCapacity:
		s.rejected++
		return out.err == dray.ErrQueueFull //nolint:errorlint // the model is exact
	}
	s.accepted++
	s.waiting += string(rune(in.job))
	s.ids += string(rune(s.accepted))
	want := dray.Receipt{}
	if in.verb == enqueueSync {
		want = dray.Receipt{ID: dray.ID(s.accepted), Position: len(s.waiting)}
	}
	return out.err == nil && out.receipt == want
}

// stats is what Stats says, as far as it does not depend on time.
func (s *fifoState) stats() dray.Stats {
	n := 0
	if s.running != 0 {
		n = 1
	}
	return dray.Stats{
		Pending: len(s.waiting), Running: n, Enqueued: uint64(s.accepted), Processed: uint64(s.processed),
		Cancelled: uint64(s.cancelled), Rejected: uint64(s.rejected), Paused: s.paused,
	}
}

func (s *fifoState) setPaused(paused bool, err error) bool {
	if s.shut {
		return err == dray.ErrClosed //nolint:errorlint // the model is exact
	}
	s.paused = paused
	return err == nil
}

func (s *fifoState) cancel(id byte, err error) bool {
	i := slices.Index([]byte(s.ids), id)
	switch {
	case id == s.runningID && id != 0: // its jobs pay no attention
		return err == nil
	case i < 0 || s.over:
		return err == dray.ErrNotFound //nolint:errorlint // the model is exact
	}
	s.waiting = s.waiting[:i] + s.waiting[i+1:]
	s.ids = s.ids[:i] + s.ids[i+1:]
	s.cancelled++
	return err == nil
}

func (s *fifoState) claim(job byte) bool {
	if s.paused || s.over || s.running != 0 || s.waiting == "" || s.waiting[0] != job {
		return false
	}
	s.running, s.runningID = job, s.ids[0]
	s.waiting, s.ids = s.waiting[1:], s.ids[1:]
	return true
}
