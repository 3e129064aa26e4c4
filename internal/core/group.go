package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// A Group counts its jobs. It is complete when it has been closed and none of them is left; then
// comes the effect GroupDone. Without the close "none is left" would be true between two offers as
// well.
//
// The zero value with a Ref is a group that is open and has no jobs. It belongs to the state, as
// all of the core does.
type Group struct {
	Ref        any         // the engine's own
	Completion func() *Job // makes the job that is accepted when it is complete; nil for none, and after that

	jobs   sorted.List[*Job] // accepted ones that have not settled, by ID
	offers chain             // that wait for room

	open      int  // jobs that have not settled, and offers that wait for room
	closed    bool // only its own jobs will add to it: it is complete once open is 0
	cancelled bool // it takes no more jobs
	lost      bool // a job was handed back: it will not settle here
	unserved  bool // complete, and its completion job not accepted
	done      bool // complete: GroupDone was made
}

// Unserved reports whether the group is complete and its completion job will not
// run, because jobs were handed back, or after a shutdown.
func (g *Group) Unserved() bool { return g.unserved }

// over reports whether the group takes no more jobs.
func (g *Group) over() bool { return g.done || g.cancelled }

// join makes an offered job one of its group's. Each join is undone by one quit: when the offer is
// refused or withdrawn, at the job's end, or by HandBack.
func (*Core) join(j *Job) {
	j.member = true
	j.Group.open++
}

// quit takes j out of its group, if it is in one. It may be the last thing that the group has
// waited for.
func (c *Core) quit(j *Job) {
	if j.member {
		j.member = false
		j.Group.open--
		c.complete(j.Group)
	}
}

// complete ends a group that has no more to wait for. Its completion job is accepted by the next
// Admit, unless it would be told of an end that was none: as jobs were handed back, or there is no
// queue to run it in.
//
// It is not accepted here, as that takes an ID, which the engine gives out.
func (c *Core) complete(g *Group) {
	if g.done || !g.closed || g.open > 0 {
		return
	}
	g.done = true
	c.effect(Effect{Kind: GroupDone, Group: g})
	switch {
	case g.Completion == nil:
	case g.lost || c.sealed:
		g.unserved, g.Completion = true, nil
	default:
		c.completed = append(c.completed, g)
	}
}

// CloseGroup says that only its own jobs will add to the group. It cannot be complete while one of
// them runs, so what they add counts. To call it again changes nothing.
func (c *Core) CloseGroup(g *Group) {
	g.closed = true
	c.complete(g)
}

// CancelGroup lets no more into the group, and cancels its jobs that are in the span. With the last
// of them the group is closed. It returns how many jobs it cancelled.
//
// Offers that wait for room are turned away first, as the jobs' ends would make room for them. They
// have no IDs to go on from; but each call has fewer of them, and no new ones come.
func (c *Core) CancelGroup(g *Group, s *Span, now time.Duration) (n int) {
	g.cancelled = true
	for range s.Limit {
		j := g.offers.head
		if j == nil {
			break
		}
		c.Withdraw(j)
		c.reject(j, GroupOver, now)
		c.effect(Effect{Kind: WasRefused, Job: j, Why: GroupOver})
	}
	if s.More = g.offers.n > 0; s.More {
		return 0
	}
	n = c.cancel(after(&g.jobs, s.After), s, now)
	if !s.More {
		c.CloseGroup(g)
	}
	return n
}

// HandBack tells the group of a job that was left over by a shutdown. It is not a settled job: the
// group ends, but its completion job would say that all have.
func (c *Core) HandBack(j *Job) {
	if j.member {
		j.Group.lost = true
		c.quit(j)
	}
}

// admitCompleted accepts the completion jobs of groups, which take no room and are not evicted:
// they follow from jobs that were accepted. It returns how many IDs it used.
func (c *Core) admitCompleted(id uint64, now time.Duration) (used uint64) {
	for _, g := range c.completed {
		j := g.Completion()
		j.Roomless = true
		c.admit(j, id+used, now)
		g.Completion = nil // so that a group that is kept does not keep what it captures
		used++
	}
	c.completed = nil
	return used
}
