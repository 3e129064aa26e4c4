package draytest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray"
)

// Slow returns a job that takes d, and ends earlier, with the cause, when its
// context does. It may be enqueued several times, as all jobs of this package.
func Slow(d time.Duration) dray.Func {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Stubborn returns a job that takes d whatever its context says, and then returns
// err. Cancelled, it is stuck.
func Stubborn(d time.Duration, err error) dray.Func {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}

// Failing returns a job that fails with err the first n times it is run, and every time if n is
// negative. The runs are counted over all jobs with the function, and over their attempts.
func Failing(n int, err error) dray.Func {
	var runs atomic.Int64
	return func(context.Context) error {
		if i := runs.Add(1); n < 0 || i <= int64(n) {
			return err
		}
		return nil
	}
}

// Panicking returns a job that panics with v.
func Panicking(v any) dray.Func {
	return func(context.Context) error { panic(v) }
}

// Exiting returns a job that ends its goroutine, as t.FailNow does. It fails with
// [dray.ErrGoexit], and the queue has another worker in place of the one that is lost.
func Exiting() dray.Func {
	return func(context.Context) error {
		runtime.Goexit()
		return nil
	}
}

// Gate returns a job that runs until open is called, or until its context ends.
// Jobs that start after that return at once; calling open again does nothing.
func Gate() (job dray.Func, open func()) {
	gate := make(chan struct{})
	job = func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return job, sync.OnceFunc(func() { close(gate) })
}
