// Package errs has the errors that several packages of dray return. Package dray exports
// the sentinels under names of its own, with their documentation.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels, in the words that users read.
var (
	ErrClosed    = errors.New("dray: closed")
	ErrDuplicate = errors.New("dray: duplicate")
	ErrNotFound  = errors.New("dray: not found")
	ErrStarted   = errors.New("dray: already started")
	ErrGoexit    = errors.New("dray: runtime.Goexit called")
	ErrIntensity = errors.New("dray: restart intensity exceeded")
	ErrAbandoned = errors.New("dray: abandoned")
	ErrRestart   = errors.New("dray: restart")
	ErrShutdown  = errors.New("dray: shut down")
	ErrQueueFull = errors.New("dray: queue full")
	ErrGroupDone = errors.New("dray: group takes no more jobs")
	ErrOverlap   = errors.New("dray: the run before has not settled")
	ErrMissed    = errors.New("dray: missed")
	ErrLocked    = errors.New("dray: locked by another instance")
)

// Prefix begins the text of every error of dray, and comes once in a chain: an error
// that goes into another one is shown without it.
const Prefix = "dray: "

// A wrapped is an error with what dray was about when it happened. Its text is made
// when it is asked for, as the error within may be foreign code.
type wrapped struct {
	about string
	err   error
}

// Wrapf returns an error that wraps err and says what it was about.
func Wrapf(err error, format string, args ...any) error {
	return &wrapped{about: fmt.Sprintf(format, args...), err: err}
}

func (w *wrapped) Error() string { return Prefix + w.about + ": " + Text(w.err) }
func (w *wrapped) Unwrap() error { return w.err }

// Text is the text of an error, or of what was thrown, without the prefix; its type, if
// its Error or String panics even with what fmt prints of that.
func Text(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", v)
		}
	}()
	return strings.TrimPrefix(fmt.Sprint(v), Prefix)
}
