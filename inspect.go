package dray

import (
	"errors"
	"fmt"
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
	snooze  *snooze
	discard *discard
	seen    int
}

// inspect looks at err and all that it wraps. A method that panics has thrown; a
// Goexit takes the caller along.
func inspect(err error) (f finding, thrown *PanicError) {
	thrown = guarded(func() { f.walk(err) })
	return f, thrown
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
		f.note(err)
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

// note takes down what one error of the chain says; the first signal counts.
func (f *finding) note(err error) {
	s, isSnooze := err.(*snooze)   //nolint:errorlint // walk looks into it
	d, isDiscard := err.(*discard) //nolint:errorlint // as above
	if e, ok := err.(interface{ As(target any) bool }); ok {
		isSnooze = isSnooze || e.As(&s)
		isDiscard = isDiscard || e.As(&d)
	}
	if e, ok := err.(interface{ Is(target error) bool }); ok {
		e.Is(ErrShutdown)
	}
	if isSnooze && f.snooze == nil {
		f.snooze = s
	}
	if isDiscard && f.discard == nil {
		f.discard = d
	}
}

// textOf is the text of an error without the prefix, for the log. If its Error
// panics it has thrown; a Goexit takes the caller along.
func textOf(err error) (text string, thrown *PanicError) {
	thrown = guarded(func() { text = bareText(err.Error()) })
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
	return prefix + e.text + " (a method of this error throws: " + bareText(e.cause) + ")"
}

func (e *unsafeError) Unwrap() error { return e.cause }

// madeSafe returns the error that stands for err, a method of which has thrown.
func madeSafe(err error, thrown *PanicError) error {
	if p, ok := err.(*PanicError); ok && p != nil { //nolint:errorlint // it is about the outermost
		return &PanicError{Value: p.Value, Stack: p.Stack, text: p.text, bare: true}
	}
	text, _ := textOf(err)
	return &unsafeError{text, thrown}
}
