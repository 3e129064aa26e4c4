package dray

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/a622d8ee/dray/internal/errs"
)

// An error that a job returns, or the value that it panics with, is user code: its
// methods may panic, end the goroutine, block, or call dray. So a worker calls each
// of them once, while the job still has its slot, and what they throw the job has
// thrown. The rest of dray goes by what was found, and calls none of them again.

// maxChain bounds how many errors of a chain are looked at. One that does not end,
// as that of an error that unwraps to itself, would take for ever or, where it
// branches, overflow the stack, from which nothing recovers.
const maxChain = 100_000

var errChain = errors.New("dray: a chain of errors without an end")

// A finding is what a look at an error came to.
type finding struct {
	note
	snooze  *snooze
	discard *discard
	thrown  bool // by a method of the error
	seen    int
}

// A note is what the log needs to know of an error, so as not to ask it.
type note struct {
	text  string
	panic *PanicError // the first that the error is or wraps; nil without
}

// inspect looks at err and all that it wraps, on a goroutine that user code may
// block: a Goexit takes it along. If a method panics, safe is an error that can be
// handed to anybody; else it is err.
func inspect(err error) (f finding, safe error) {
	walked := guarded(func() { f.walk(err) })
	text, told := textOf(err)
	f.text, safe = text, err
	if thrown := cmp.Or(walked, told); thrown != nil {
		f.thrown = true
		f.panic, safe = thrown, &unsafeError{strings.TrimPrefix(text, errs.Prefix), thrown}
		if p, ok := err.(*PanicError); ok && p != nil { //nolint:errorlint // it is about the outermost
			f.panic = &PanicError{Value: p.Value, Stack: p.Stack, text: p.text, bare: true}
			safe = f.panic
		}
		f.text = safe.Error()
	}
	return f, safe
}

// guarded calls f, which is user code or calls some.
func guarded(f func()) (thrown *PanicError) {
	defer func() {
		if v := recover(); v != nil {
			thrown = newPanicError(v)
		}
	}()
	f()
	return nil
}

// walk goes through a chain in the order of [errors.As], and calls all that
// errors.Is and errors.As would call.
func (f *finding) walk(err error) {
	for err != nil {
		if f.seen++; f.seen > maxChain {
			panic(errChain)
		}
		f.take(err)
		switch e := err.(type) { //nolint:errorlint // this is what looks into it
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				f.walk(err)
			}
			return
		default:
			return
		}
	}
}

// take takes down what one error of the chain says; the first signal counts.
func (f *finding) take(err error) {
	s, isSnooze := err.(*snooze)    //nolint:errorlint // walk looks into it
	d, isDiscard := err.(*discard)  //nolint:errorlint // as above
	p, isPanic := err.(*PanicError) //nolint:errorlint // as above
	if e, ok := err.(interface{ As(target any) bool }); ok {
		isSnooze = isSnooze || e.As(&s)
		isDiscard = isDiscard || e.As(&d)
		isPanic = isPanic || e.As(&p)
	}
	if e, ok := err.(interface{ Is(target error) bool }); ok {
		e.Is(ErrShutdown)
	}
	if signalled := f.snooze != nil || f.discard != nil; isSnooze && !signalled {
		f.snooze = s
	} else if isDiscard && !signalled {
		f.discard = d
	}
	if isPanic && f.panic == nil {
		f.panic = p
	}
}

// textOf is the text of an error, for the log. If its Error panics it has thrown; a
// Goexit takes the caller along.
func textOf(err error) (text string, thrown *PanicError) {
	thrown = guarded(func() { text = err.Error() })
	if text == "" {
		text = fmt.Sprintf("%T", err)
	}
	return text, thrown
}

// An unsafeError stands for an error with methods that throw, so that all others
// may handle it like any error.
type unsafeError struct {
	text  string // of the error, as far as it has one; else its type
	cause error  // what it throws: a *PanicError, or ErrGoexit
}

func (e *unsafeError) Error() string {
	return errs.Prefix + e.text + " (a method of this error throws: " + errs.Text(e.cause) + ")"
}

func (e *unsafeError) Unwrap() error { return e.cause }
