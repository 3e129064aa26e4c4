package supervise

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/restart"
)

// An instance is one run of a child's service, on a goroutine of its own. The loop knows the one
// that it waits for by its pointer; what others report is ignored. All fields are immutable.
type instance struct {
	child  *restart.Child  // of which the goroutine reads only the Spec
	ctx    context.Context // of the service; ends by Stop, or when the service has
	cancel context.CancelCauseFunc
	loop   *loop        // to which it reports, and whose Serve it does not outlive but when it is abandoned
	gone   *atomic.Bool // set by the goroutine at the service's end, read by all; all that is kept of one that is abandoned
}

// main runs the service and reports its end, however it ends: after a Goexit the deferred call is
// all that is left to run. So exit has to tell a return, a panic and a Goexit apart.
func (i *instance) main() {
	e := &exit{}
	defer i.end(e)
	e.run(i.work, i.loop.sup.cfg.Panicked)
}

// end completes e and reports it. If the error's methods have to be asked for that, the report is
// deferred, so that it is made even if they panic or exit; while they block, the child has not
// ended.
func (i *instance) end(e *exit) {
	e.told = i.ctx.Err() != nil // before report, which ends the context too
	e.complete(i.loop.sup.cfg.Panicked)
	if e.clear() {
		i.report(e)
		return
	}
	defer i.report(e) // inspect may end in a Goexit
	e.inspect()
}

// report tells the loop how the service ended. gone is set before the message is sent: once it is
// abandoned, nothing waits for that, and what is listed as still running is what gone says.
func (i *instance) report(e *exit) {
	i.gone.Store(true)
	i.cancel(e.err) // for what the service has left behind that heeds its context
	i.loop.post(func() { i.loop.sup.state.exited(i, e) })
}

// work is what may fail: the start, if there is one, then Serve. That is called if and only if
// the start has returned nil, also when ctx has ended meanwhile, so that it can release what the
// start has acquired.
func (i *instance) work() error {
	start, serve := serviceOf(i.child).Phases()
	if start != nil {
		if err := start(i.ctx); err != nil {
			return err
		}
		i.loop.post(func() { i.loop.sup.state.started(i) })
	}
	return serve(i.ctx)
}

// An exit is how an instance ended. It is written on the child's goroutine up to report, and
// belongs to the loop from then on.
type exit struct {
	err   error // nil: a normal end
	told  bool  // after the supervisor had ended its context
	threw bool  // by a panic or a Goexit

	// What inspect has found out, for which err's methods need not be called again.
	harmless  bool        // err says no more than that it was told to
	leaks     bool        // err says that something was abandoned, but not what
	abandoned []abandoned // what err says was abandoned

	returned, recovered bool      // how far run came: f has returned; run went on after it
	stack               []uintptr // of a panic, as program counters; nil once err has its text, and without a panic
}

// run calls f and keeps how it ended. It does not come back from a Goexit, of which recovered
// stays false.
func (e *exit) run(f func() error, panicked func(any) error) {
	// A function of its own, so that a recovered panic comes back to the line behind it, which a
	// Goexit does not reach.
	func() {
		defer e.catch(panicked)
		e.err = f()
		e.returned = true
	}()
	e.recovered = !e.returned
}

// catch is deferred. A Goexit is left for complete to find, as nothing can tell it here
// from a panic(nil) under GODEBUG=panicnil=1.
func (e *exit) catch(panicked func(any) error) {
	// The usual case, and nothing to recover.
	if e.returned {
		return
	}
	// As text the stack would take longer than the restart, so only its program counters are kept.
	if v := recover(); v != nil {
		e.err = panicked(v)
		e.stack = callers()
	}
}

// complete is called once the service has ended for certain. Only a panic lets run go on after f
// did not return; a panic while a Goexit was under way counts as a panic. After it err is nil
// exactly if the service has returned nil.
func (e *exit) complete(panicked func(any) error) {
	e.threw = !e.returned
	switch {
	// It has returned, or panicked with a value.
	case e.returned || e.err != nil:
	// panic(nil), which recover does not tell from no panic under GODEBUG=panicnil=1.
	case e.recovered:
		e.err = panicked(new(runtime.PanicNilError))
	default:
		e.err = errs.ErrGoexit
	}
}

// clear reports whether it is clear what the error means, without a call of it: that is so of
// nil, of dray's own, and where it makes no difference, as the child was not told to stop or
// threw.
func (e *exit) clear() bool {
	// A nil error says no more than that the child has ended.
	e.harmless = e.err == nil
	if s, ok := e.err.(*serveError); ok { //nolint:errorlint // anything else may be foreign
		e.abandoned = s.abandoned
		return true
	}
	return e.err == nil || !e.told || e.threw
}

// inspect asks the error of a child that was told to stop what it means. The error's
// methods are the user's and may do anything, so they are called once, here, on the
// child's own goroutine. One that panics or exits instead of answering is a failure; one
// that blocks keeps the child from having ended, for which the shutdown time is.
func (e *exit) inspect() {
	defer func() { _ = recover() }()
	if inner, ok := errors.AsType[*serveError](e.err); ok {
		e.abandoned = inner.abandoned
	} else {
		e.leaks = errors.Is(e.err, errs.ErrAbandoned)
	}
	e.harmless = errors.Is(e.err, context.Canceled) || errors.Is(e.err, errs.ErrShutdown) || errors.Is(e.err, errs.ErrRestart)
}

const (
	// maxFrames is how many program counters are captured; as text, that many frames
	// take about 16 KiB.
	maxFrames = 128
	// Not of interest: runtime.Callers, callers, catch.
	skipFrames = 3
)

// pcs keeps the capture off the stack of the panicking goroutine, which would have to
// grow for it: that costs as much as the rest of the restart.
var pcs = sync.Pool{New: func() any { return new([maxFrames]uintptr) }}

// callers captures a stack at a tenth of the cost of its text, which is made only if the error is
// given away: see shown.
func callers() []uintptr {
	buf := pcs.Get().(*[maxFrames]uintptr) //nolint:forcetypeassert // the pool's own
	defer pcs.Put(buf)
	return slices.Clone(buf[:runtime.Callers(skipFrames, buf[:])])
}

// format gives the error of a panic its stack as text. It is called on the loop's
// goroutine, before the error is given away; from then on the error is not changed any more.
func (e *exit) format(cfg *Config) {
	if e.stack != nil {
		cfg.SetStack(e.err, textOf(e.stack, cfg.MaxStack))
		e.stack = nil
	}
}

// textOf is the text of a stack, in the layout of debug.Stack, of at most limit bytes.
func textOf(stack []uintptr, limit int) []byte {
	var text []byte
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		text = fmt.Appendf(text, "%s(...)\n\t%s:%d +0x%x\n", f.Function, f.File, f.Line, f.PC-f.Entry)
		if !more || len(text) > limit {
			return text[:min(len(text), limit):len(text)]
		}
	}
}
