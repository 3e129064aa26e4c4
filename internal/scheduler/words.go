package scheduler

import (
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/background"
	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/guard"
)

// A saying is that the schedule of a task, which is foreign, is asked for its words. All calls
// that want to know meanwhile wait for the same answer, so a schedule is asked once at a time.
type saying struct {
	t    *Task         // immutable
	done chan struct{} // immutable; closed when text is there, or will not be
	text string        // written by the helper before done is closed, read after; empty without an answer
	hung bool          // it has taken too long for a call that waited; guarded by Scheduler.mu
}

// describe fills in the schedules' words: those of tasks[i] in infos[i]. Foreign ones are asked
// by helpers, within AskLimit for all together; one that does not return keeps its helper, and is
// not waited for again until it does. It is called without a lock. These helpers are not those
// for runs, so that a String which blocks delays no task.
func (s *Scheduler) describe(tasks []*Task, infos []Info) {
	r := &wordsRound{s: s, said: make(map[int]*saying)}
	for i, t := range tasks {
		letOthers(i)
		// A conversion calls nothing, so this is safe for foreign schedules as well.
		v, ok := t.schedule().(fmt.Stringer)
		switch {
		case !ok:
		// dray's own say it at once, here: with a million tasks of Every no helper is needed.
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

// isOwn reports whether all of a schedule is dray's, so that it can be asked here: a Zoned one
// asks that within it.
func isOwn(when calendar.Schedule) bool {
	switch w := when.(type) {
	case calendar.Every, calendar.At, calendar.ClockTimes:
		return true
	case *calendar.Zoned:
		return isOwn(w.Wall)
	}
	return false
}

// A wordsRound is the asking of all schedules for one call of Tasks. Several may be under way at
// once.
type wordsRound struct {
	s    *Scheduler
	said map[int]*saying // by the index of the task; used by the call alone
	left []*saying       // that were not asked yet; guarded by Scheduler.mu
}

// join waits for an answer that is on its way, or asks for one. One that has kept another call
// waiting for too long is not joined: the task is shown without words.
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

// await takes down the answers that come in time. The order does not matter, as they are waited for
// together: the limit is one for all.
func (r *wordsRound) await(infos []Info) {
	limit, stall := time.NewTimer(AskLimit), time.NewTicker(stallAfter)
	defer limit.Stop()
	defer stall.Stop()
	// One to begin with; more only if it is kept, as most schedules answer at once.
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

// giveUp takes what is there, and leaves the rest. What no helper has taken is called off, for
// other calls that wait for it, too; what a helper is at is marked, so that no further call waits
// for it.
func (r *wordsRound) giveUp(infos []Info) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	// Those that no helper has taken. Their tasks can be asked again by the next call; other
	// calls that wait for one of them go on without its words.
	for _, a := range r.left {
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
// by schedules. It may start one too many: that finds nothing left, and ends.
func (r *wordsRound) startHelper() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if len(r.left) > 0 && r.s.wordHelpers < maxHelpers {
		r.s.wordHelpers++
		helper := r.s.Background.Add("String of a schedule")
		guard.Go(func() { r.help(helper) })
	}
}

// help asks schedules until none is left. One that ends the goroutine has no words, and another
// helper goes on behind it.
func (r *wordsRound) help(g *background.Guest) {
	var a *saying
	// In this order: the calls that wait are answered, then the next helper is started, and only
	// then this one leaves Background, so a shutdown does not find that empty in between.
	defer func() {
		r.answered(a)
		r.s.mu.Lock()
		r.s.wordHelpers-- // before the next is started, which may be the last that is allowed
		r.s.mu.Unlock()
		r.startHelper()
		g.Leave()
	}()
	// a is nil between two schedules, so that what ends the goroutine is told apart.
	for a = r.next(); a != nil; a = r.next() {
		g.Rename("String of the schedule of task " + a.t.name)
		a.text = wordsOf(a.t.schedule().(fmt.Stringer)) //nolint:forcetypeassert // describe has seen it
		guard.Unlabel()
		r.answered(a)
		a = nil // what ends the goroutine from here on is not this schedule
	}
}

// answered hands out the answer to all that wait for it; nothing for nil. The next call asks
// again, as a schedule may say something else by then.
func (r *wordsRound) answered(a *saying) {
	if a == nil {
		return
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	a.t.saying = nil
	close(a.done)
}

// next takes the next one to be asked; nil if there is none.
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
