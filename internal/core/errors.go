package core

import (
	"errors"
	"fmt"
	"strings"

	"github.com/a622d8ee/dray/internal/errs"
)

// The errors that the core itself gives a job. They are the causes of contexts, too, and sentinels
// of the root package.
var (
	ErrTimeout   = errors.New("dray: job timed out")
	ErrDeadline  = errors.New("dray: job past its deadline")
	ErrCancelled = errors.New("dray: job cancelled")
	ErrShutdown  = errs.ErrShutdown // where there is no line to go back to
)

// A Caused is what an attempt returned after its context had ended, with why it had. It is both:
// errors.Is finds either. It is made while the state is held, so it asks nothing of the foreign
// error until its text is wanted.
type Caused struct{ Cause, Err error }

func (c *Caused) Error() string { return c.Text(fmt.Sprint(c.Err)) }

// Text is the text that goes with one of Err, for a caller that has that already and need not ask
// Err.
func (c *Caused) Text(of string) string {
	return c.Cause.Error() + ": " + strings.TrimPrefix(of, "dray: ")
}

func (c *Caused) Unwrap() []error { return []error{c.Cause, c.Err} }

// because makes the result's error one that is cause, too; nil changes nothing. An error that is
// the very cause stays as it is, or its text would say it twice.
func (r *Result) because(cause error) {
	if cause == nil || r.Err == cause { //nolint:errorlint // a deeper one does no harm, and to look for it is user code
		return
	}
	r.Err = &Caused{cause, r.Err}
}

// Err is what context.Cause says inside a job whose context ends for it. It is of no use for
// NotCancelled.
func (c Cause) Err() error {
	switch c {
	case TimedOut:
		return ErrTimeout
	case Expired:
		return ErrDeadline
	case Shutdown:
		return ErrShutdown
	default:
		return ErrCancelled
	}
}

// Refused is why the job was not accepted that the effect is about, as its caller is to be told.
func (f *Effect) Refused() error {
	switch f.Why {
	case KeyTaken:
		return errs.ErrDuplicate
	case GroupOver:
		return errs.ErrGroupDone
	case NoRoom:
		return errs.ErrQueueFull
	default:
		return errs.ErrClosed
	}
}

// Ended is the error that the settled job leaves behind, nil if it was processed. A job that was
// cancelled while it waited has no error of its own.
func (f *Effect) Ended() error {
	if f.Job.State == Processed || f.Err != nil {
		return f.Err
	}
	return ErrCancelled
}

// error is what an attempt's error is to tell beside itself; nil for nothing. A shutdown is no
// failure of the job's, which will run again.
func (c Cause) error() error {
	switch c {
	case TimedOut:
		return ErrTimeout
	case Expired:
		return ErrDeadline
	case UserCancel:
		return ErrCancelled
	default:
		return nil
	}
}
