package restart

import (
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
)

// An Intensity counts restarts and says when there were too many of them lately.
//
// The rule, as in OTP: a restart counts for as long as the period lasts, both
// edges included. So with a limit of n, the restart that finds n others not
// older than the period is one too many.
//
// The zero value allows no restart. An Intensity is not safe for concurrent use.
type Intensity struct {
	limit  int
	period time.Duration
	last   []time.Time // a ring of the last restarts, at most limit of them
	oldest int         // where the ring starts once it is full
}

// NewIntensity allows limit restarts in any period. A limit below 1 allows none.
func NewIntensity(limit int, period time.Duration) Intensity {
	return Intensity{limit: limit, period: period}
}

// Add counts a restart at now and reports whether it is still allowed. Calls
// must come in the order of time; one that is refused is not counted.
func (w *Intensity) Add(now time.Time) bool {
	if len(w.last) < w.limit { // grows as needed: a limit of millions is legal and rarely used up
		w.last = append(w.last, now)
		return true
	}
	if w.limit < 1 || now.Sub(w.last[w.oldest]) <= w.period {
		return false
	}
	w.last[w.oldest] = now
	w.oldest = (w.oldest + 1) % w.limit
	return true
}

// An intensityError is errs.ErrIntensity with the failure that was one too many. Its text is made
// when it is read, as the failure's Error is user code.
type intensityError struct {
	child string
	err   error
}

func (e *intensityError) Error() string {
	return fmt.Sprintf("%v: child %q: %s", errs.ErrIntensity, e.child, errs.Text(e.err))
}

func (e *intensityError) Unwrap() []error { return []error{errs.ErrIntensity, e.err} }

// endStreak ends the row of failures if the run that ends now, for whatever reason, has
// outlived the intensity's period: then it has been well for long enough to start the backoff anew.
func (s *State) endStreak(c *Child) {
	if c.State == Running && s.Now.Sub(c.Since) > s.cfg.Period {
		c.Failures = 0
	}
}
