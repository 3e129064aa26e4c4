package dray

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
)

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

// A tokens is the part of the engine that fetches tokens, the owner's.
type tokens struct {
	ctx      context.Context // ends with this run of the queue; nil before its first fetcher
	stop     context.CancelFunc
	fetchers map[*core.Limit]struct{} // for which a goroutine is under way
	gone     chan struct{}            // non-nil while the end waits for them; closed when there are none
	lost     []error                  // which limiters had not returned by then
}

const (
	// limiterPause keeps a limiter that fails at once from being asked all the time.
	limiterPause = time.Second
	// limiterGrace is how long a shutdown waits for a limiter to heed its context.
	limiterGrace = 100 * time.Millisecond
)

// A fetcher is a goroutine that fetches one token.
type fetcher struct {
	engine *engine
	ctx    context.Context
	limit  *core.Limit
}

// sendFor fetches a token. It is called by the owner. It does not while the queue is
// not being served, nor while an earlier fetcher, which did not heed the end of a
// run, is still with that limiter.
func (e *engine) sendFor(l *core.Limit) {
	t := &e.tokens
	if t.ctx == nil {
		t.ctx, t.stop = context.WithCancel(context.Background())
	}
	if t.fetchers == nil {
		t.fetchers = map[*core.Limit]struct{}{}
	}
	if _, fetching := t.fetchers[l]; fetching || t.ctx.Err() != nil {
		return
	}
	t.fetchers[l] = struct{}{}
	f := fetcher{e, t.ctx, l}
	guard.Go(func() { f.run(nil) })
}

// fetchAgain is called at the beginning of a run, for the tokens that the last one
// did not get.
func (e *engine) fetchAgain(c *core.Core) {
	e.tokens = tokens{fetchers: e.tokens.fetchers, gone: e.tokens.gone}
	for _, l := range c.Asking() {
		e.sendFor(l)
	}
}

// run fetches a token; not before a pause, if the limiter has just failed. If the
// limiter takes the goroutine along, another one goes on.
func (f fetcher) run(failed error) {
	ended := false
	defer func() {
		if !ended {
			guard.Go(func() { f.run(ErrGoexit) })
		}
	}()
	for failed == nil || f.again(failed) {
		if failed = f.wait(); failed == nil {
			f.engine.step(func(c *core.Core, _ time.Duration) { c.Grant(f.limit) })
			break
		}
	}
	f.leave()
	ended = true
}

// wait is the call of foreign code.
func (f fetcher) wait() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
	}()
	return f.limit.Key.(Limiter).Wait(f.ctx) //nolint:forcetypeassert // WithRateLimit's
}

// again reports the failure, and after a pause whether to try again.
func (f fetcher) again(failed error) bool {
	if f.ctx.Err() != nil {
		return false
	}
	found, safe := inspect(failed)
	about := &found.note
	wanted := false
	f.engine.step(func(c *core.Core, _ time.Duration) { wanted = c.Fail(f.limit) })
	f.engine.emit(Event{Kind: RateLimitFailed, Err: safe, note: about})
	if !wanted {
		return false
	}
	pause := time.NewTimer(limiterPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-f.ctx.Done():
		return false
	}
}

func (f fetcher) leave() {
	f.engine.step(func(*core.Core, time.Duration) {
		t := &f.engine.tokens
		delete(t.fetchers, f.limit)
		if len(t.fetchers) == 0 && t.gone != nil {
			close(t.gone)
			t.gone = nil
		}
		if f.limit.Asking() { // meanwhile, or as the queue is served again
			f.engine.sendFor(f.limit)
		}
	})
}

// stopFetching ends all fetchers, until the queue is served again.
func (e *engine) stopFetching() {
	gone := make(chan struct{})
	e.step(func(*core.Core, time.Duration) {
		t := &e.tokens
		if t.ctx == nil {
			t.ctx, t.stop = context.WithCancel(context.Background())
		}
		t.stop()
		if len(t.fetchers) == 0 {
			close(gone)
			return
		}
		t.gone = gone
	})
	grace := time.NewTimer(limiterGrace)
	defer grace.Stop()
	select {
	case <-gone:
	case <-grace.C:
		e.loseFetchers()
	}
}

// loseFetchers takes down which limiters have not heeded the end.
func (e *engine) loseFetchers() {
	var lost []error
	e.step(func(*core.Core, time.Duration) {
		for l := range e.tokens.fetchers {
			lost = append(lost, errs.Wrapf(ErrAbandoned, "limiter %T", l.Key))
		}
		e.tokens.lost = lost
	})
	e.reportLate(lost)
}

// lost returns which limiters were left behind.
func (e *engine) lost() (lost []error) {
	e.step(func(*core.Core, time.Duration) { lost = e.tokens.lost })
	return lost
}
