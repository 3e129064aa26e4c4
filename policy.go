package dray

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/span"
)

// A policy is what the job options add up to.
type policy struct {
	kind         string // of the jobs; empty for a Func
	label        string
	timeout      time.Duration
	deadline     time.Duration
	maxAttempts  int
	backoff      Backoff
	delay        time.Duration
	runAt        time.Time
	key          string
	keyLimit     int
	unique       string
	uniquePolicy UniquePolicy
	uniquePeriod time.Duration
	priority     Priority
	group        *Group
	values       bool
	limiters     []any        // the most specific first
	middleware   []Middleware // given since the last level was made, the outermost first
	levels       []Handler    // made of it: of the kind and of the call
	set          bool         // any option was given
	spec         *core.Spec   // of jobs that are enqueued without further options; nil: not made yet
}

// policies has room for those of calls.
var policies = sync.Pool{New: func() any { return new(policy) }}

// call returns what a call asks for that is made with more options: p itself if there are none.
// Otherwise it is to be done with.
func (p *policy) call(opts []JobOption) (called *policy, err error) {
	if len(opts) == 0 {
		return p, nil
	}
	called = policies.Get().(*policy) //nolint:forcetypeassert // the pool's own
	*called = *p
	return called, called.apply(opts)
}

// done makes the room of called free for another call, unless it is p itself.
func (p *policy) done(called *policy) {
	if called != p {
		*called = policy{}
		policies.Put(called)
	}
}

// with returns p with more options applied.
func (p *policy) with(opts []JobOption) (policy, error) {
	more := *p
	err := more.apply(opts)
	return more, err
}

func (p *policy) apply(opts []JobOption) (err error) {
	defer optionThrew(&err)
	if len(opts) > 0 {
		p.spec = nil
	}
	for _, o := range opts {
		if o == nil {
			return errors.New("dray: nil job option")
		}
		if err := o.applyJob(p); err != nil {
			return err
		}
	}
	if len(p.middleware) > 0 {
		h, err := chain(p.middleware, level(len(p.levels)+1))
		if err != nil {
			return err
		}
		p.middleware, p.levels = nil, append(slices.Clip(p.levels), h)
	}
	return nil
}

// ask looks whether ctx throws when it is asked for the values that the job is to have.
func (p *policy) ask(ctx context.Context) (err error) {
	if p.values {
		_, err = insideOf(ctx)
	}
	return err
}

// optionThrew, deferred, makes an error of what an option throws: a type that embeds
// a nil one does.
func optionThrew(err *error) {
	if v := recover(); v != nil {
		*err = errs.Wrapf(newPanicError(v), "option")
	}
}

// check says why the options of a call make no sense together, for n jobs on q.
func (p *policy) check(q *Queue, n int) error {
	switch {
	case p.deadline > 0 && p.delay >= p.deadline:
		return fmt.Errorf("dray: WithDelay(%v): not before WithDeadline(%v)", p.delay, p.deadline)
	case p.deadline > 0 && !p.runAt.IsZero() && q.clock.Until(p.runAt) >= p.deadline:
		return fmt.Errorf("dray: WithRunAt(%v): not before WithDeadline(%v)", p.runAt, p.deadline)
	case p.unique != "" && p.uniquePeriod > 0 && p.uniquePolicy == ReplacePending:
		return errors.New("dray: WithUniquePeriod: with ReplacePending, and what has settled cannot be replaced")
	case p.unique != "" && n > 1:
		return fmt.Errorf("dray: WithUnique(%q): for a batch of %d", p.unique, n)
	case p.group != nil && p.group.queue != q:
		return errors.New("dray: WithGroup: the group of another queue")
	}
	return nil
}

type jobOption func(*policy) error

func (o jobOption) applyJob(p *policy) error      { p.set = true; return o(p) }
func (o jobOption) applyQueue(c *config) error    { return o.applyJob(&c.jobs) }
func (o jobOption) applyTask(c *taskConfig) error { c.jobs = append(c.jobs, o); return nil }

// WithDeadline bounds the time for all attempts, counted from the acceptance of the
// job: after d it fails with [ErrDeadline]. If it waits by then, it is not run (any
// more). If it is running, its context is cancelled with that cause, and what it
// then returns decides. No retry and no snooze is scheduled past the deadline: a
// job that would need one fails at once, with ErrDeadline and its own error. A delay
// that is not shorter is an error from the call. While the queue is not served nothing
// ends by it: a job whose deadline is over by then fails when the queue is served (again),
// or, if it is handed back before that, where it is restored. Defaults to 0, no deadline; at
// most a year.
func WithDeadline(d time.Duration) JobOption {
	return jobOption(func(p *policy) error { p.deadline = d; return checkDelay("WithDeadline", d) })
}

// WithUniquePeriod lets the key of [WithUnique] stay taken for at least d from the job's
// acceptance, however early and however it settles, also if it is replaced and the other job
// settles; nothing but the key and the ID is kept. For [KeepExisting] the existing job is then
// one that has settled. Together with [ReplacePending] it is an error from the call, and a job
// with that policy that finds such a key gets [ErrDuplicate]. Without WithUnique it does
// nothing. Defaults to 0: the key is free once the job has settled; at most a year.
func WithUniquePeriod(d time.Duration) JobOption {
	return jobOption(func(p *policy) error { p.uniquePeriod = d; return checkDelay("WithUniquePeriod", d) })
}

// WithContextValues lets the job's context have the values of the context with
// which it is enqueued, a trace for example, before those of the queue's. The end
// of that context it does not share. Whatever the values refer to is kept in memory
// until the job has settled. Of a context that a job has derived from its own the
// values are those of the last ten such jobs, and of the context that it began with.
func WithContextValues() JobOption {
	return jobOption(func(p *policy) error { p.values = true; return nil })
}

// WithGroup makes the job one of a group's: see [Group]. The group must belong to
// the queue. Enqueueing returns [ErrGroupDone] if it is complete, or cancelled. If
// under [KeepExisting] nothing is enqueued, the existing job does not become one of
// the group's.
func WithGroup(g *Group) JobOption {
	return jobOption(func(p *policy) error {
		p.group = g
		if g == nil {
			return errors.New("dray: WithGroup: nil group")
		}
		return nil
	})
}

// A Limiter hands out tokens: see [WithRateLimit]. A *rate.Limiter of
// golang.org/x/time/rate is one.
//
// Wait returns nil once there is a token for the caller, or an error: it is then
// reported in a [RateLimitFailed] event and asked again a second later, while the
// jobs wait. A panic counts as an error. Wait is called on a goroutine of its own,
// one call at a time for each queue, only while a job waits for a token, for one
// token ahead of what is running. It must return when ctx ends, which it does with
// the queue's shutdown; one that does not is left behind. A call under way when the
// last job has ended that wanted a token goes on, and keeps the limiter until it returns.
type Limiter interface {
	Wait(ctx context.Context) error
}

// WithRateLimit lets a job start only with a token of l, for each of its attempts.
// Unlike other options those of queue, kind and call add up: a job needs a token of
// each of them. They are asked in order: the call's, then the kind's, then the
// queue's, of one level the last given first; and each only when those before it have
// a token, so that jobs which wait for their kind use up nothing of the queue's. Given
// twice, a limiter counts once.
//
// A token belongs to no job before that starts. It goes to the first job, by priority,
// that could start with it: so a job that waits for one limiter keeps no other one's
// token, a Low job holds up no High one, and none wait for each other, in whatever
// order they name their limiters. No more than one token of a limiter is held ready.
// Where each of very many customers has a limiter besides one that all share, let the
// shared one be asked last: a token of another place makes the queue look through all of them.
// l must be comparable, as pointers are, and equal to itself.
//
// Jobs that wait for a token stand aside, by priority and in their order, and hold
// up no others; they are pending, and count against the capacity until they have
// first started. A shutdown drains them at the limiter's pace, until its context
// ends; if the limiter's last answer was an error, it does not wait for it.
func WithRateLimit(l Limiter) JobOption {
	return jobOption(func(p *policy) error {
		switch {
		case isNil(l):
			return errors.New("dray: WithRateLimit: nil limiter")
		case !reflect.ValueOf(l).Comparable():
			return fmt.Errorf("dray: WithRateLimit: a %T is not comparable", l)
		case !slices.Contains([]any{l}, any(l)): // it has a NaN in it
			return fmt.Errorf("dray: WithRateLimit: a %T that is not equal to itself", l)
		case !slices.Contains(p.limiters, any(l)):
			p.limiters = append([]any{l}, p.limiters...)
		}
		return nil
	})
}

// middlewareOption is no jobOption, as for a queue it is no default of its jobs:
// its plain jobs are wrapped, too, and need no record for that.
type middlewareOption []Middleware

// WithMiddleware wraps the running of jobs: of all jobs if given to [New], of a
// kind if given to [Handle], of one job if given to a call. Unlike other options
// these add up, the queue's outermost, then the kind's, then the call's, in each the
// first given first. Each is asked for its handler once: by New, by Handle, or by
// the call that it is given to, and what it remembers holds for all those jobs. What
// a middleware throws counts as thrown by the job.
func WithMiddleware(ms ...Middleware) JobOption { return middlewareOption(ms) }

func (o middlewareOption) check() error {
	if slices.ContainsFunc(o, func(m Middleware) bool { return m == nil }) {
		return errs.Wrapf(ErrNilFunc, "WithMiddleware")
	}
	return nil
}

func (o middlewareOption) applyQueue(c *config) error {
	c.middleware = append(c.middleware, o...)
	return o.check()
}

func (o middlewareOption) applyTask(c *taskConfig) error {
	c.jobs = append(c.jobs, o)
	return o.check()
}

func (o middlewareOption) applyJob(p *policy) error {
	if len(o) > 0 {
		p.middleware = slices.Concat(p.middleware, o)
		p.set = true
	}
	return o.check()
}

// share makes what the records of all jobs have in common that are enqueued without further
// options, unless that has been done. It is done before p is shared.
func (p *policy) share() {
	if p.spec != nil {
		return
	}
	p.spec = &core.Spec{
		Kind: p.kind, Key: p.key, KeyLimit: p.keyLimit,
		Unique: p.unique, UniquePolicy: core.UniquePolicy(p.uniquePolicy), UniqueFor: p.uniquePeriod,
		Priority: core.Priority(p.priority), MaxAttempts: p.maxAttempts,
		Timeout: p.timeout, Within: p.deadline, Backoff: p.backoff, Limiters: p.limiters,
	}
}

// newJob makes the record of a job, which ctx enqueues.
func (h *host) newJob(ctx context.Context, fn Func, p *policy) *core.Job {
	p.share()
	j := &core.Job{Spec: p.spec, Fn: fn, Label: p.label}
	if p.group != nil {
		j.Group = &p.group.core
	}
	if len(p.levels) > 0 || p.values {
		wrap(j, ctx, p)
	}
	switch {
	case p.delay > 0:
		j.RunAt = span.Sum(h.engine.Now(), p.delay)
	case !p.runAt.IsZero():
		j.RunAt = h.ahead(p.runAt)
	}
	return j
}

// ahead returns when t is on the core's clock: as far from now as it is by the wall
// clock, whatever that has done since the start.
func (h *host) ahead(t time.Time) time.Duration {
	return span.Sum(h.engine.Now(), h.clock.Until(t))
}
