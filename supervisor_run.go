package dray

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// An incarnation is one run of a child's service, on a goroutine of its own.
type incarnation struct {
	child  *child // only what never changes: Child, inits
	epoch  uint64
	ctx    context.Context
	cancel context.CancelCauseFunc
	keeper *keeper
	gone   *atomic.Bool // set by the goroutine when the service has ended, read by the keeper, which may keep nothing else of it
}

// launch starts the child's next incarnation.
func (k *keeper) launch(c *child) *incarnation {
	ctx, cancel := context.WithCancelCause(k.base)
	r := &incarnation{child: c, epoch: c.epoch, ctx: ctx, cancel: cancel, keeper: k, gone: new(atomic.Bool)}
	go r.main()
	return r
}

// main runs the service and reports its end, however it ends: after a Goexit the
// deferred call is all that is left to run.
func (r *incarnation) main() {
	unlabel()
	o := &demise{}
	defer r.end(o)
	o.run(r.work)
}

func (r *incarnation) end(o *demise) {
	o.asked = r.ctx.Err() != nil
	o.seal()
	if o.clear() {
		r.report(o)
		return
	}
	defer r.report(o) // inspect may end in a Goexit
	o.inspect()
}

func (r *incarnation) report(o *demise) {
	r.gone.Store(true)
	r.cancel(o.err) // for what the service has left behind that heeds its ctx
	r.keeper.post(news{kind: newsExited, child: r.child, epoch: r.epoch, out: o})
}

// work is what may fail: the start, then Serve.
func (r *incarnation) work() error {
	service := r.child.Service
	if !r.child.inits {
		return service.Serve(r.ctx)
	}
	start, serve := phasesOf(service)
	if err := start(r.ctx); err != nil {
		return err
	}
	r.keeper.post(news{kind: newsStarted, child: r.child, epoch: r.epoch})
	return serve(r.ctx)
}

// A demise is how an incarnation ended.
type demise struct {
	err   error // nil: a normal end
	asked bool  // after the supervisor had ended its context
	fatal bool  // by a panic or a Goexit

	// What inspect has found out, for which err's methods need not be called again.
	bad       bool             // err says more than that the child was stopped
	leaks     bool             // err says that something was abandoned, but not what
	abandoned []abandonedChild // what err says was abandoned

	returned, recovered bool      // how far run came
	stack               []uintptr // of a panic, until it is formatted
}

// run calls f and keeps how it ended. It does not come back from a Goexit.
func (o *demise) run(f func() error) {
	func() {
		defer o.catch()
		o.err = f()
		o.returned = true
	}()
	o.recovered = !o.returned
}

// catch is deferred. A Goexit is left for seal to find, as nothing can tell it
// here from a panic(nil) under GODEBUG=panicnil=1.
func (o *demise) catch() {
	if o.returned {
		return
	}
	if v := recover(); v != nil {
		o.err = &PanicError{Value: v}
		o.stack = callers()
	}
}

// seal completes the demise once the service has ended for certain. Only a
// panic lets run go on after f did not return; a panic while a Goexit was under
// way counts as a panic.
func (o *demise) seal() {
	o.fatal = !o.returned
	switch {
	case o.returned || o.err != nil:
	case o.recovered:
		o.err = &PanicError{Value: new(runtime.PanicNilError)}
	default:
		o.err = ErrGoexit
	}
}

// failedUnasked tells whether a child that was to stop failed all the same: before
// it was told to, or by blowing up.
func (o *demise) failedUnasked() bool { return o.err != nil && (!o.asked || o.fatal) }

// clear reports whether it is clear what the error means, without a call of it.
func (o *demise) clear() bool {
	o.bad = o.err != nil
	if e, ok := o.err.(*serveError); ok { //nolint:errorlint // anything else may be foreign
		o.abandoned = e.abandoned
		return true
	}
	return o.err == nil || !o.asked || o.fatal
}

// inspect asks the error of a child that was told to stop what it means. The
// error's methods are the user's and may do anything, so they are called once,
// here, on the child's own goroutine. One that panics or exits instead of
// answering is a failure; one that blocks keeps the child from having ended.
func (o *demise) inspect() {
	defer func() { _ = recover() }()
	if inner, ok := errors.AsType[*serveError](o.err); ok {
		o.abandoned = inner.abandoned
	} else {
		o.leaks = errors.Is(o.err, ErrAbandoned)
	}
	o.bad = !errors.Is(o.err, context.Canceled) && !errors.Is(o.err, ErrShutdown) && !errors.Is(o.err, ErrRestart)
}

var errNotAsked = errors.New("dray: child ended without being asked to")

// reason is the failure that led to a restart.
func (o *demise) reason() error {
	if o.err == nil { // a permanent child may not even end normally
		return errNotAsked
	}
	return o.err
}

const (
	// maxFrames is how many program counters are captured; as text, that many
	// frames take about maxStack bytes.
	maxFrames = 128
	// Not of interest: runtime.Callers, callers, catch.
	skipFrames = 3
)

// pcsPool keeps the capture off the stack of the panicking goroutine, which
// would have to grow for it: that costs as much as the rest of the restart.
var pcsPool = sync.Pool{New: func() any { return new([maxFrames]uintptr) }}

// callers captures a stack at a tenth of the cost of its text.
func callers() []uintptr {
	pcs := pcsPool.Get().(*[maxFrames]uintptr)
	defer pcsPool.Put(pcs)
	return slices.Clone(pcs[:runtime.Callers(skipFrames, pcs[:])])
}

// format gives a panic its stack as text, in the layout of debug.Stack. It is
// called by the keeper, before the error is given to anyone.
func (o *demise) format() {
	p, ok := o.err.(*PanicError) //nolint:errorlint // one made by catch, not one that was returned
	if !ok || o.stack == nil {
		return
	}
	p.Stack = formatStack(o.stack)
	o.stack = nil
}

func formatStack(pcs []uintptr) []byte {
	var text []byte
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		text = fmt.Appendf(text, "%s(...)\n\t%s:%d +0x%x\n", f.Function, f.File, f.Line, f.PC-f.Entry)
		if !more || len(text) > maxStack {
			return text[:min(len(text), maxStack):len(text)]
		}
	}
}
