package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
)

// A limiter is the Key of a core.Limit: user code, which hands out tokens. See dray.Limiter.
type limiter interface {
	Wait(ctx context.Context) error
}

// A tokens is the part of the engine that fetches tokens, the owner's.
type tokens struct {
	ctx      context.Context // ends with this run of the queue; nil before its first fetcher
	stop     context.CancelFunc
	fetchers map[*core.Limit]struct{} // for which a goroutine is under way
	gone     chan struct{}            // non-nil while the end waits for them; closed when there are none
	lost     []string                 // which limiters had not returned by then
}

const (
	// limiterPause keeps a limiter that fails at once from being asked all the time.
	limiterPause = time.Second
	// limiterGrace is how long a shutdown waits for a limiter to heed its context.
	limiterGrace = 100 * time.Millisecond
)

// A fetcher is a goroutine that fetches one token.
type fetcher struct {
	engine *Engine
	ctx    context.Context
	limit  *core.Limit
}

// sendFor fetches a token. It is called by the owner. It does not while the queue is
// not being served, nor while an earlier fetcher, which did not heed the end of a
// run, is still with that limiter.
func (e *Engine) sendFor(l *core.Limit) {
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
func (e *Engine) fetchAgain(c *core.Core) {
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
			guard.Go(func() { f.run(errs.ErrGoexit) })
		}
	}()
	for failed == nil || f.again(failed) {
		if failed = f.wait(); failed == nil {
			f.engine.Update(func(c *core.Core, _ time.Duration) { c.Grant(f.limit) })
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
			err = f.engine.host.Caught(v)
		}
	}()
	return f.limit.Key.(limiter).Wait(f.ctx) //nolint:forcetypeassert // WithRateLimit's
}

// again reports the failure, and after a pause whether to try again.
func (f fetcher) again(failed error) bool {
	if f.ctx.Err() != nil {
		return false
	}
	wanted := false
	f.engine.Update(func(c *core.Core, _ time.Duration) { wanted = c.Fail(f.limit) })
	f.engine.host.LimitFailed(failed)
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

// leave is the end of a fetcher, in an update. If its limit wants another token by now, or
// again, since the queue was served anew while the limiter did not heed the end of the last
// run, the next fetcher begins here.
func (f fetcher) leave() {
	f.engine.Update(func(*core.Core, time.Duration) {
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

// StopFetching ends all fetchers, until the queue is served again. It returns which limiters have
// not heeded that.
func (e *Engine) StopFetching() (lost []string) {
	gone := make(chan struct{})
	e.Update(func(*core.Core, time.Duration) {
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
		return nil
	case <-grace.C:
		return e.loseFetchers()
	}
}

// loseFetchers takes down which limiters have not heeded the end.
func (e *Engine) loseFetchers() (lost []string) {
	e.Update(func(*core.Core, time.Duration) {
		for l := range e.tokens.fetchers {
			lost = append(lost, fmt.Sprintf("limiter %T", l.Key))
		}
		e.tokens.lost = lost
	})
	return lost
}

// Lost returns which limiters were left behind.
func (e *Engine) Lost() (lost []string) {
	e.Update(func(*core.Core, time.Duration) { lost = e.tokens.lost })
	return lost
}
