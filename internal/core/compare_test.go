package core

import (
	"slices"

	"github.com/stretchr/testify/require"
)

// compare looks at everything in which core and model could differ. It is done
// after each step, so it asks require only about what does.
func (d *duel) compare() {
	same(d, d.model.snapshot(), d.c.Snapshot(), "the books")
	same(d, d.model.room(), d.c.Room(), "the room")
	same(d, d.model.expected(), d.c.Expected(), "jobs that wait for a token")
	d.compareWaiting()
	for _, r := range d.c.runs {
		if r.ID != 0 {
			same(d, d.model.find(r.ID).cause, r.Cause, "the cause")
		}
	}
	d.compareFailures()
	d.compareLimits()
	d.compareGroups()
}

func same[T comparable](d *duel, want, got T, what string) {
	if want != got {
		require.Equal(d.t, want, got, "%s: %s", what, d)
	}
}

func (d *duel) compareWaiting() {
	want, got := d.model.order(), d.c.WaitingJobs(d.now)
	ids := func(yield func(uint64) bool) {
		for _, j := range got {
			_ = yield(j.ID)
		}
	}
	same(d, len(want), len(got), "waiting jobs")
	for i, j := range got {
		if want[i].id != j.ID {
			require.Equal(d.t, want, slices.Collect(ids), "the order of those that wait: %s", d)
		}
		same(d, want[i].state, j.State, "the state")
		same(d, want[i].attempt, j.Attempt, "the attempt")
	}
}

func (d *duel) compareFailures() {
	kept := d.c.Failures()
	same(d, len(d.model.fails), len(kept), "failures")
	for i, f := range slices.Backward(kept) {
		same(d, d.model.fails[len(kept)-1-i].id, f.Job.ID, "a failure")
	}
}

func (d *duel) compareLimits() {
	same(d, len(d.model.limits), d.c.limits.len(), "limits")
	for key, want := range d.model.limits {
		l := d.c.limits.get(key)
		if l == nil {
			require.Fail(d.t, "a limit is forgotten", "%v: %s", key, d)
		}
		same(d, *want, mlimit{l.spare, l.asking, l.failing}, "a limit")
	}
}

func (d *duel) compareGroups() {
	for name, g := range d.model.groups {
		got := d.groups[name]
		same(d, d.model.members(name), got.open, "jobs of a group")
		same(d, *g, mgroup{got.closed, got.cancelled, got.lost, got.done}, "a group")
	}
}
