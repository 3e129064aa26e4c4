package scheduler

import (
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/background"
	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/guard"
)

// A saying is that the schedule of a task, which is foreign, is asked for its words.
// All who want to know meanwhile wait for the same answer.
type saying struct {
	t    *Task         // immutable
	done chan struct{} // closed when text is there
	text string        // written before that
	hung bool          // it has taken too long for a call that waited; guarded by Scheduler.mu
}

// describe fills in the schedules' words. Foreign ones are asked by helpers, within
// AskLimit for all together; one that does not return keeps its helper, and is not
// waited for again until it does.
func (s *Scheduler) describe(tasks []*Task, infos []Info) {
	r := &wordsRound{s: s, said: make(map[int]*saying)}
	for i, t := range tasks {
		v, ok := t.schedule().(fmt.Stringer)
		switch {
		case !ok:
		case isOwn(t.schedule()):
			infos[i].Schedule = v.String()
		default:
			r.join(i, t)
		}
	}
	if len(r.said) > 0 {
		r.await(infos)
	}
}

// isOwn reports whether all of a schedule is dray's.
func isOwn(when calendar.Schedule) bool {
	switch w := when.(type) {
	case calendar.Every, calendar.At, calendar.ClockTimes:
		return true
	case *calendar.Zoned:
		return isOwn(w.Wall)
	}
	return false
}

// A wordsRound is the asking of all schedules for one call of Tasks.
type wordsRound struct {
	s    *Scheduler
	said map[int]*saying // by the index of the task
	left []*saying       // that were not asked yet; guarded by Scheduler.mu
}

// join waits for an answer that is on its way, or asks for one.
func (r *wordsRound) join(i int, t *Task) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	switch {
	case t.saying == nil:
		t.saying = &saying{t: t, done: make(chan struct{})}
		r.left = append(r.left, t.saying)
	case t.saying.hung:
		return
	}
	r.said[i] = t.saying
}

// await takes down the answers that come in time.
func (r *wordsRound) await(infos []Info) {
	limit, stall := time.NewTimer(AskLimit), time.NewTicker(stallAfter)
	defer limit.Stop()
	defer stall.Stop()
	r.startHelper()
	for i, a := range r.said {
		for waiting := true; waiting; {
			select {
			case <-a.done:
				infos[i].Schedule, waiting = a.text, false
			case <-stall.C:
				r.startHelper() // the others have been kept for a while
			case <-limit.C:
				r.giveUp(infos)
				return
			}
		}
	}
}

// giveUp takes what is there, and leaves the rest.
func (r *wordsRound) giveUp(infos []Info) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, a := range r.left { // not asked
		a.t.saying = nil
		close(a.done)
	}
	r.left = nil
	for i, a := range r.said {
		select {
		case <-a.done:
			infos[i].Schedule = a.text
		default:
			a.hung = true
		}
	}
}

// startHelper starts a helper if there is something to ask, unless very many are kept
// by schedules.
func (r *wordsRound) startHelper() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if len(r.left) > 0 && r.s.wordHelpers < maxHelpers {
		r.s.wordHelpers++
		helper := r.s.Background.Add("String of a schedule")
		guard.Go(func() { r.help(helper) })
	}
}

// help asks schedules until none is left. One that ends the goroutine has no words.
func (r *wordsRound) help(g *background.Guest) {
	var a *saying
	defer func() {
		r.answered(a)
		r.s.mu.Lock()
		r.s.wordHelpers--
		r.s.mu.Unlock()
		r.startHelper()
		g.Leave()
	}()
	for a = r.next(); a != nil; a = r.next() {
		g.Rename("String of the schedule of task " + a.t.name)
		a.text = wordsOf(a.t.schedule().(fmt.Stringer)) //nolint:forcetypeassert // describe has seen it
		guard.Unlabel()
		r.answered(a)
		a = nil
	}
}

func (r *wordsRound) answered(a *saying) {
	if a == nil {
		return
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	a.t.saying = nil
	close(a.done)
}

func (r *wordsRound) next() *saying {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if len(r.left) == 0 {
		return nil
	}
	a := r.left[0]
	r.left = r.left[1:]
	return a
}

// wordsOf asks a schedule; one that panics has no words.
func wordsOf(when fmt.Stringer) string {
	defer func() { _ = recover() }()
	return when.String()
}
