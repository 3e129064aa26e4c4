//go:build !older

package works

import "github.com/a622d8ee/dray"

// newerVariants need what the library has had for a short time only. With the tag
// "older" they are left out, so that -against can build this program with libraries
// from before that.
func newerVariants() []variant {
	return []variant{
		{name: observerOfFailures, queue: []dray.Option{dray.WithObserver(func(dray.Event) {}, dray.JobFailed)}},
	}
}
