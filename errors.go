package dray

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// Sentinel errors. All of them work with [errors.Is] through any wrapping; the documentation of
// each call says which of them it returns.
var (
	// ErrClosed is returned by every call that needs a queue, pool or
	// supervisor that takes work: once its shutdown has begun, and of a queue also between
	// two Serves, from the normal end of one to the beginning of the next.
	ErrClosed = errs.ErrClosed // "dray: closed"
	// ErrQueueFull is returned by the enqueue calls under [Reject], and under
	// [Block] where waiting could never end: from inside a job of the same queue.
	ErrQueueFull = errs.ErrQueueFull // "dray: queue full"
	// ErrDuplicate is returned where a name or a unique key is already taken: by the
	// enqueue calls, [Submit] also under [KeepExisting]; by [Queue.Requeue] and
	// [Queue.RequeueAll], [Queue.Restore] and [Scheduler.RunNow]; by [Handle], [New],
	// [NewSupervisor] and [Supervisor.Add].
	ErrDuplicate = errs.ErrDuplicate // "dray: duplicate"
	// ErrNotFound is returned where nothing has the given name or ID, for a job
	// also when it has already settled.
	ErrNotFound = errs.ErrNotFound // "dray: not found"
	// ErrNoWorkers is returned by [Pool.Run] and [Pool.RunAsync] when no worker is idle.
	ErrNoWorkers = errors.New("dray: no idle worker")
	// ErrUnknownKind is returned for a kind that was never registered with [Handle].
	ErrUnknownKind = errors.New("dray: unknown kind")
	// ErrStarted is returned by a Start or Serve of what runs already.
	ErrStarted = errs.ErrStarted // "dray: already started"
	// ErrNilFunc is returned where a function is nil that dray would have to call.
	ErrNilFunc = errors.New("dray: nil func")
	// ErrGoexit is the error of a job, or of a supervised child, that ended its
	// goroutine with [runtime.Goexit] (as t.FailNow does) instead of returning.
	ErrGoexit = errs.ErrGoexit // "dray: runtime.Goexit called"
	// ErrEvicted is the error of a waiting job that an overflow policy dropped, or
	// that another one replaced: see ErrReplaced.
	ErrEvicted = core.ErrEvicted
	// ErrReplaced is the error of a waiting job whose unique key another one took
	// over under [ReplacePending]. It is an ErrEvicted, too.
	ErrReplaced = core.ErrReplaced
	// ErrGroupDone is returned by an enqueue call whose [WithGroup] is complete, or
	// was cancelled.
	ErrGroupDone = errs.ErrGroupDone // "dray: group takes no more jobs"
	// ErrIntensity is returned by [Supervisor.Serve], and by [Queue.Serve] for
	// the queue's own tree, when children crashed more often than the restart
	// intensity allows. It wraps the last failure.
	ErrIntensity = errs.ErrIntensity // "dray: restart intensity exceeded"

	// ErrTimeout is the [context.Cause] inside a job whose [WithTimeout] elapsed, and
	// the error of an attempt that failed after that, beside what it returned.
	ErrTimeout = core.ErrTimeout
	// ErrDeadline is the [context.Cause] inside a job whose [WithDeadline] is over,
	// and the error of one that was not run, or not run again, or failed, because of it.
	ErrDeadline = core.ErrDeadline
	// ErrCancelled is the [context.Cause] inside a job that a user cancelled, and
	// the error of a cancelled job, beside what it returned if it was running.
	ErrCancelled = core.ErrCancelled
	// ErrShutdown is the [context.Cause] inside a job that the end of its queue,
	// pool or supervisor interrupts.
	ErrShutdown = core.ErrShutdown
	// ErrRestart is the [context.Cause] of the context that a [Supervisor] gives to a
	// child which it stops in order to start it again, because a sibling failed or
	// [Supervisor.Restart] was called. A queue or pool that is stopped for it does
	// not drain, and stays open: see [Queue.Serve].
	ErrRestart = errs.ErrRestart // "dray: restart"
)

// errNilQueue is what functions return that take a queue, if they get none.
var errNilQueue = errors.New("dray: nil queue")

// errDiscarded is the error of a job that returned Discard(nil).
var errDiscarded = errors.New("dray: discarded without a reason")

// PanicError is the error of a job, or of a supervised child, that panicked; of a call, if user
// code that it needed did, such as its context. It unwraps to the panic value when that value
// is an error, unless a method of that error panics in its turn.
type PanicError struct {
	Value any    // what panic was called with; a *runtime.PanicNilError for panic(nil)
	Stack []byte // the stack of the panicking goroutine, at most 16 KiB of it

	text string // of Value, from when it was looked at; empty if it was not
	bare bool   // a method of Value throws, so it is not unwrapped
}

// Error returns the panic value without the stack.
func (e *PanicError) Error() string {
	if e.text != "" {
		return errs.Prefix + "panic: " + e.text
	}
	return errs.Prefix + "panic: " + errs.Text(e.Value)
}

// Unwrap returns the panic value when it is an error, or nil.
func (e *PanicError) Unwrap() error {
	err, ok := e.Value.(error)
	if !ok || e.bare {
		return nil
	}
	return err
}

// panicIn returns the panic that err tells of, or nil. It asks foreign errors.
func panicIn(err error) (p *PanicError) {
	defer func() { _ = recover() }()
	p, _ = errors.AsType[*PanicError](err)
	return p
}

// panicOf is panicIn as far as dray itself has wrapped the panic: it asks no foreign error.
func panicOf(err error) *PanicError {
	for {
		switch e := err.(type) { //nolint:errorlint // see above
		case *PanicError:
			return e
		case *unsafeError:
			err = e.cause
		case *core.Caused:
			err = e.Err
		case *discard:
			err = e.err
		default:
			return nil
		}
	}
}

// place is where it happened: the first function under the panic that is not the
// runtime's, with its file and line. It is empty if the stack does not show it.
func (e *PanicError) place() string {
	lines := strings.Split(string(e.Stack), "\n")
	start := slices.IndexFunc(lines, isPanic)
	for i := max(start, 0); i+1 < len(lines); i++ {
		if strings.HasPrefix(lines[i], "\t") || isPanic(lines[i]) || strings.HasPrefix(lines[i], "runtime.") ||
			strings.HasPrefix(lines[i], "goroutine ") {
			continue
		}
		function, file := lines[i], strings.TrimSpace(lines[i+1])
		if end := strings.LastIndex(function, "("); end > 0 {
			function = function[:end]
		}
		file, _, _ = strings.Cut(file, " +0x")
		return function + " " + file
	}
	return ""
}

func isPanic(line string) bool {
	return strings.HasPrefix(line, "panic(") || strings.HasPrefix(line, "runtime.gopanic(")
}

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
// handed on; else it is err.
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
