package dray

import (
	"bytes"
	"runtime"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
)

// This file has what a worker (see package engine) asks of a job that has not ended well. It is
// user code: a panic or Goexit in here is the worker's to see to.

// Judge looks at the error of a job and says what it comes to. It is the only
// place that calls methods of such an error.
func (h hooks) Judge(err error, thrown bool) core.Result {
	if p, ok := err.(*PanicError); ok && thrown { //nolint:errorlint // Caught's
		p.text = errs.Text(p.Value)
	}
	f, safe := inspect(err)
	r := core.Result{Kind: core.Error, Err: safe}
	switch {
	case thrown || f.thrown: // a snooze that is thrown is a panic
		r.Kind = core.Panic
	case f.snooze != nil && !h.pooled:
		r.Kind, r.Snooze = core.Snooze, f.snooze.delay
	case err == error(f.discard): //nolint:errorlint // else what it is wrapped in says more
		r.Err = f.discard.reason()
		f.text, _ = textOf(r.Err)
	}
	r.Final = f.discard != nil && r.Kind != core.Snooze
	if r.Kind == core.Panic {
		r.Stack = f.panic.Stack
	}
	if h.bus != nil {
		r.Note = new(f.note)
	}
	return r
}

// Delay asks j's backoff function.
func (hooks) Delay(j *core.Job) (d time.Duration) {
	defer func() {
		if recover() != nil {
			d = engine.ThrownDelay
		}
	}()
	backoff := j.Backoff
	if backoff == nil {
		backoff = defaultBackoff
	}
	return min(max(backoff(j.Attempt), 0), maxDelay)
}

// maxStack bounds the stacks kept in errors and events.
const maxStack = 16 << 10

// stacks has room for one stack each.
var stacks = sync.Pool{New: func() any { return new([maxStack]byte) }}

// newPanicError captures the stack of the panic being recovered.
func newPanicError(v any) *PanicError {
	buf := stacks.Get().(*[maxStack]byte) //nolint:forcetypeassert // the pool's own
	defer stacks.Put(buf)
	return &PanicError{Value: v, Stack: bytes.Clone(buf[:runtime.Stack(buf[:], false)])}
}
