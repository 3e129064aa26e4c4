package draytest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/a622d8ee/dray"
)

// Enqueued returns the payloads of all jobs that were enqueued so far by a [dray.Kind] of that name
// on q and that q has accepted, in the order in which it has, whatever became of the jobs. It fails
// the test if one is not a T, or if q was not made by this package. A job that was refused, or that
// came to nothing as another one has its unique key, is not among them. Each is listed once, and not
// again when it is requeued ([dray.Queue.Requeue]), nor where it is taken over from the report of
// another queue ([dray.Queue.Restore]): a payload is known to the queue that it was enqueued on.
func Enqueued[T any](t testing.TB, q *dray.Queue, kind string) []T {
	t.Helper()
	var all []T
	for _, o := range kitOf(t, q).accepted() {
		if o.kind != kind {
			continue
		}
		v, ok := o.payload.(T)
		if !ok {
			t.Fatalf("draytest: the payload of kind %q is a %T, not a %T", kind, o.payload, v)
		}
		all = append(all, v)
	}
	return all
}

// RequireEnqueued fails the test unless a job of that kind was accepted whose
// payload all the given functions say yes to, and returns the first such payload.
func RequireEnqueued[T any](t testing.TB, q *dray.Queue, kind string, match ...func(T) bool) (found T) {
	t.Helper()
	all := Enqueued[T](t, q, kind)
	i := slices.IndexFunc(all, func(v T) bool { return matches(v, match) })
	if i < 0 {
		t.Fatalf("draytest: no such job of kind %q was enqueued; there were: %s", kind, show(all))
		return found // for a testing.TB whose Fatalf returns
	}
	return all[i]
}

// RequireNotEnqueued fails the test if a job of that kind was accepted whose
// payload all the given functions say yes to. Without functions that is any job of the kind.
func RequireNotEnqueued[T any](t testing.TB, q *dray.Queue, kind string, match ...func(T) bool) {
	t.Helper()
	for _, v := range Enqueued[T](t, q, kind) {
		if matches(v, match) {
			t.Fatalf("draytest: a job of kind %q was enqueued: %+v", kind, v)
		}
	}
}

// Is returns a function for [RequireEnqueued] that says yes to v.
func Is[T comparable](v T) func(T) bool { return func(got T) bool { return got == v } }

// matches reports whether all functions say yes to v: true without any.
func matches[T any](v T, match []func(T) bool) bool {
	for _, m := range match {
		if !m(v) {
			return false
		}
	}
	return true
}

// show is the payloads for a message.
func show[T any](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%+v", all)
}

// accepted returns a copy in the order of acceptance, as jobs may be accepted while the caller looks
// through it.
func (k *kit) accepted() []offer {
	k.offersMu.Lock()
	all := slices.Clone(k.offers)
	k.offersMu.Unlock()
	slices.SortFunc(all, func(a, b offer) int { return cmp.Compare(a.id, b.id) })
	return all
}

// kitOf returns what is known of a queue that was made here. It fails the test at once if there
// is nothing.
func kitOf(t testing.TB, q *dray.Queue) *kit {
	t.Helper()
	k, ok := kits.Load(q)
	if !ok {
		t.Fatalf("draytest: this queue was not made by draytest, or its test has ended")
	}
	return k.(*kit) //nolint:forcetypeassert // nothing else is stored
}
