package works

import (
	"context"
	"runtime"
	"time"

	"github.com/a622d8ee/dray"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// roundTrips is the other part of work (e): calls that ask the queue something,
// with ever more jobs waiting.
func roundTrips(e *Env) Result {
	waiting := []int{0, 100_000, 1_000_000, 10_000_000}[:e.pick(4, 3, 1)]
	n := e.pick(20_000, 5_000, 20)
	const actor = "request and reply over two channels"
	cs := []contender{{actor, func() []float64 { return actorCalls(n) }}}
	for _, w := range waiting {
		cs = append(cs, contender{"dray, " + report.Count(float64(w)) + " waiting", func() []float64 { return queueCalls(w, n) }})
	}
	s := e.measureAll("round trips", cs)
	t := report.Table{
		Title:  "Round trips",
		Note:   "Time per call, in brackets as a multiple of a request to a plain actor and its reply. The queue is paused.",
		Header: []string{"", "Stats", "EnqueueSync"},
	}
	for _, name := range s.names {
		t.Add(name, s.withRatio(name, 0), s.withRatio(name, 1))
	}
	r := Result{Tables: []report.Table{t}}
	first, last := s.names[1], s.names[len(s.names)-1]
	for column, call := range []string{"Stats", "EnqueueSync"} {
		r.AddRatio("calls "+call, s.toBase(first, column))
		r.AddRatio("calls "+call+" growth", s.ratio(last, first, column))
		r.value("calls "+call, "", s.median(first, column))
		r.value("calls "+call+", "+report.Count(float64(waiting[len(waiting)-1]))+" waiting", "", s.median(last, column))
	}
	return r
}

// actorCalls fills both columns with the same, as there is only one way to call it.
func actorCalls(n int) []float64 {
	a := peers.NewActor()
	defer a.Close()
	a.Call(n / 10)
	begun := time.Now()
	a.Call(n)
	took := perJob(time.Since(begun), n)
	return []float64{took, took}
}

// queueCalls returns the times of Stats and EnqueueSync on a paused queue.
func queueCalls(waiting, n int) []float64 {
	p := peers.NewDray(1)
	defer p.Close()
	p.Hold()
	defer p.Release()
	nothing := peers.NewJob(func() {})
	p.Enqueue(nothing, waiting)
	runtime.GC() // or else the calls pay for the memory of those that wait
	stats := func() dray.Stats { return p.Queue.Stats() }
	enqueue := func() error {
		_, err := p.Queue.EnqueueSync(context.Background(), nothing.Ctx)
		return err
	}
	return []float64{each(n, stats), each(n, enqueue)}
}

// each returns the time of one of n calls, after some to warm up.
func each[T any](n int, call func() T) float64 {
	for range n / 10 {
		call()
	}
	begun := time.Now()
	for range n {
		call()
	}
	return perJob(time.Since(begun), n)
}
