package dray

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// A Group is jobs of one queue that are waited for, and cancelled, as one. Jobs are
// put into it by [Group.Enqueue], or by [WithGroup] given to any other call that
// enqueues. All methods may be called concurrently, also by the group's jobs.
//
// It is complete once it was closed ([Group.Close], [Group.Wait], [Group.Cancel])
// and every job in it has settled, in whatever way; an empty one is so at once.
// Until then jobs may be added, also to a closed one: by its own jobs, above all.
// After that [ErrGroupDone] is returned.
//
// A job is in the group from its acceptance on, also one that is evicted at once,
// and while it is retried, snoozes or waits for its time. A call that waits for room
// ([Block]) is counted while it does. Under [KeepExisting] the existing job is not
// taken in. A job that is run again by [Queue.Requeue] or [Queue.Restore] is a new
// one, and in no group.
//
// If a shutdown hands back one of its jobs, the group ends with an error that is
// [ErrShutdown], and without its completion job; the Report has the jobs.
//
// A group is made by [NewGroup]; the zero value is not usable.
type Group struct {
	queue *Queue        // immutable
	done  chan struct{} // closed when the group is complete

	// Changed in ticks; read by all after done is closed.
	core core.Group
	errs []error // of its jobs, in the order in which they settled, maxGroupErrs at most
	more int     // errors beyond these
	err  error   // all of them; written before done is closed
}

// maxGroupErrs bounds the errors that a group joins: enough to see what is wrong.
const maxGroupErrs = 100

// GroupOption configures a group: see [NewGroup].
type GroupOption func(*Group) error

// WithCompletion makes fn a job that is enqueued when the group is complete, with the error
// that [Group.Wait] returns. It follows from the group's jobs, so there is always room for it,
// which it takes none of, also while the queue is drained. The options are its own;
// [WithUnique] and [WithGroup], which might keep it from being accepted, are errors.
func WithCompletion(fn func(ctx context.Context, err error) error, opts ...JobOption) GroupOption {
	return func(g *Group) error {
		if fn == nil {
			return errs.Wrapf(ErrNilFunc, "WithCompletion")
		}
		p, err := g.queue.jobs.with(opts)
		if err != nil {
			return err
		}
		switch {
		case p.unique != "":
			return errors.New("dray: WithCompletion: with WithUnique, which might keep it from being accepted")
		case p.group != nil:
			return errors.New("dray: WithCompletion: with WithGroup, which might keep it from being accepted")
		}
		if err := p.check(g.queue, 1); err != nil {
			return err
		}
		run := func(ctx context.Context) error { return fn(ctx, g.err) }
		g.core.Completion = func() *core.Job { return g.queue.newJob(context.Background(), run, &p) }
		return nil
	}
}

// NewGroup returns a group without jobs. The error is that of an option, or of a nil queue.
func NewGroup(q *Queue, opts ...GroupOption) (_ *Group, err error) {
	defer optionThrew(&err)
	if q == nil {
		return nil, errNilQueue
	}
	g := &Group{queue: q, done: make(chan struct{})}
	g.core.Ref = ends{g}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("dray: nil group option")
		}
		if err := o(g); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Enqueue is [Queue.Enqueue] with [WithGroup].
func (g *Group) Enqueue(ctx context.Context, fn Func, opts ...JobOption) error {
	return g.queue.Enqueue(ctx, fn, append(slices.Clip(opts), WithGroup(g))...)
}

// Close says that all jobs have been added, but for those that jobs of the group
// still add themselves. It does not wait; further calls do nothing.
func (g *Group) Close() {
	g.queue.update(func(c *core.Core, _ time.Duration) { c.CloseGroup(&g.core) })
	g.queue.accepted() // its completion
}

// Cancel cancels all jobs of the group, as [Queue.Cancel] does, closes it, and lets
// in no more: [ErrGroupDone]. Very many are cancelled a few at a time, as by
// [Queue.CancelKey]. It returns how many jobs it cancelled. The group is
// complete when those that were running have returned.
func (g *Group) Cancel() int {
	defer g.queue.accepted() // its completion
	return g.queue.engine.CancelAll(func(c *core.Core, s *core.Span, now time.Duration) int { return c.CancelGroup(&g.core, s, now) })
}

// Done returns a channel that is closed when the group is complete. Its completion
// job has then been enqueued, and may not have run.
func (g *Group) Done() <-chan struct{} { return g.done }

// Wait closes the group and waits until it is complete, or ctx ends, which leaves
// the jobs alone. It returns nil if all its jobs were processed, or else their
// errors joined ([errors.Join]), at most 100 of them and how many more there were:
// of a failed job that of its last attempt, for others [ErrCancelled], [ErrEvicted]
// or [ErrShutdown]; or the cause of ctx's end. A job must not wait for its own group,
// which is not complete before that job has ended: it would wait until its context ends.
func (g *Group) Wait(ctx context.Context) error {
	done, err := doneOf(ctx)
	if err != nil {
		return err
	}
	g.Close()
	if waited(g.done, done) {
		return g.err
	}
	return causeOf(ctx)
}

// ends is a group as the engine sees it.
type ends struct{ *Group }

// Add is told the error of a job that has settled, in a tick.
func (g ends) Add(err error) {
	switch {
	case err == nil:
	case len(g.errs) < maxGroupErrs:
		g.errs = append(g.errs, err)
	default:
		g.more++
	}
}

// Finish is told that the group is complete, in a tick.
func (g ends) Finish() {
	errs := g.errs
	if g.more > 0 {
		errs = append(errs, fmt.Errorf("dray: and %d more errors", g.more))
	}
	if g.core.Unserved() && !slices.Contains(errs, ErrShutdown) { // by identity: errors.Is would call what jobs returned
		errs = append(errs, ErrShutdown)
	}
	g.err = errors.Join(errs...)
	g.errs = nil
	close(g.done)
}
