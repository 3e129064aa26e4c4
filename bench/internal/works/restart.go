package works

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/a622d8ee/dray/draytest"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// restart is work (g): how long a service is down that crashes.
func restart(e *Env) Result {
	panics := e.restarts("panic", func() error { panic("bench") })
	fails := e.restarts("error", func() error { return errors.New("bench") })
	t := report.Table{
		Title: "Restart of a crashed child",
		Note: "From just before the panic or the return of an error to the first line of the next run; in brackets as a multiple " +
			"of a goroutine that is recovered by hand and starts its successor. dray and suture capture the stack of a panic.",
		Header: []string{"", "panic, p50", "panic, p99", "error, p50", "error, p99"},
	}
	for _, name := range panics.names {
		t.Add(name, panics.withRatio(name, 0), panics.withRatio(name, 1), fails.withRatio(name, 0), fails.withRatio(name, 1))
	}
	r := Result{Tables: []report.Table{t}}
	r.AddRatio("restart panic to suture", panics.ratio("dray", "suture", 0))
	r.AddRatio("restart error to suture", fails.ratio("dray", "suture", 0))
	r.value("restart panic", "", panics.median("dray", 0))
	r.value("restart error", "", fails.median("dray", 0))
	r.Merge(e.ownerRestarts(panics.median("suture", 0)))
	return r
}

func (e *Env) restarts(what string, end func() error) series {
	n := e.pick(5000, 1000, 5)
	var cs []contender
	for _, m := range peers.Supervisors() {
		cs = append(cs, contender{m.Name, func() []float64 {
			took := downtimes(m, n+n/10, end)[n/10:]
			return []float64{stat.Quantile(took, 0.5), stat.Quantile(took, 0.99)}
		}})
	}
	return e.measure("restart after "+what, cs)
}

// downtimes crashes a child n times.
func downtimes(m peers.SupervisorMaker, n int, end func() error) []float64 {
	var (
		up      = make(chan time.Time)
		die     = make(chan struct{})
		crashed time.Time // written by the child before it crashes, read after its successor is up
	)
	stop := m.Start(func(stopped <-chan struct{}) error {
		now := time.Now()
		select {
		case up <- now:
		case <-stopped:
			return nil
		}
		select {
		case <-die:
			crashed = time.Now()
			return end()
		case <-stopped:
			return nil
		}
	})
	defer stop()
	<-up
	took := make([]float64, 0, n)
	for range n {
		settle() // the supervisor has nothing left to do for the last one
		die <- struct{}{}
		took = append(took, float64((<-up).Sub(crashed).Nanoseconds()))
	}
	return took
}

// crashes is how often a queue's owner can crash before the queue gives up: the
// restart intensity is 3 in 5 s.
const crashes = 3

// ownerRestarts is the restart of a queue's owner after a panic, with so many jobs
// waiting, until all of the queue runs again; suture is what that one takes for a child.
func (e *Env) ownerRestarts(suture float64) Result {
	var cs []contender
	for _, waiting := range []int{0, e.pick(100_000, 100_000, 100)} {
		cs = append(cs, contender{report.Count(float64(waiting)) + " waiting", func() []float64 {
			var took []float64
			for range e.pick(10, 5, 1) {
				took = append(took, ownerCrashes(waiting)...)
			}
			return []float64{stat.Median(took)}
		}})
	}
	s := e.measureAll("restart of the owner", cs)
	t := report.Table{
		Title:  "Restart of a queue's owner",
		Note:   "From the call that has it panic (draytest.CrashOwner) until all of the queue runs again, p50.",
		Header: []string{"", "time", "to none waiting"},
	}
	for _, name := range s.names {
		t.Add(name, report.Ns(s.median(name, 0)), report.Ratio(s.toBase(name, 0)))
	}
	r := Result{Tables: []report.Table{t}}
	last := s.names[len(s.names)-1]
	r.AddRatio("restart of the owner, growth", s.toBase(last, 0))
	r.AddRatio("restart of the owner to suture's of a child", s.median(last, 0)/suture)
	r.value("restart of the owner, "+last, "", s.median(last, 0))
	return r
}

func ownerCrashes(waiting int) (took []float64) {
	p := peers.NewDray(2)
	defer p.Close()
	p.Hold()
	defer p.Release()
	p.Enqueue(peers.NewJob(nothing), waiting)
	for range crashes {
		settle()
		begun := time.Now()
		draytest.CrashOwner(fatal{}, p.Queue)
		took = append(took, float64(time.Since(begun).Nanoseconds()))
	}
	return took
}

// fatal is the part of a test that draytest.CrashOwner needs: it says that there is
// nothing to crash.
type fatal struct{ testing.TB }

// Helper implements [testing.TB].
func (fatal) Helper() {}

// Fatalf implements [testing.TB].
func (fatal) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
