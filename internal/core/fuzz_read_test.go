package core

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

// A reading is a Reader under way while anything happens.
type reading struct {
	Reader
	stayed map[uint64]string // jobs that are where they were when it began
	came   map[uint64]int    // how often each came
}

// places says of each job where it is.
func (w *world) places() map[uint64]string {
	at := map[uint64]string{}
	for _, r := range w.c.runs {
		if r.ID != 0 {
			at[r.ID] = fmt.Sprint("runs since ", r.StartedAt)
		}
	}
	for i := range w.c.lanes {
		for number, e := range w.c.lanes[i].list.From(0) {
			id := e.ID
			if e.Job != nil {
				id = e.Job.ID
			}
			at[id] = fmt.Sprint("in line ", number)
		}
	}
	for _, j := range w.c.live.All() {
		if at[j.ID] == "" {
			at[j.ID] = fmt.Sprint(j.State, j.place, j.seq, j.RunAt, j.spot, w.c.heldBackNow(j))
		}
	}
	return at
}

// readBoth reads a page of a few, whatever has happened since the last one. What stayed
// comes once, by the time that there are no more.
func (d *duel) readBoth() {
	r := d.reading
	if r == nil {
		r = &reading{Reader: Reader{stage: readRuns}, stayed: d.places(), came: map[uint64]int{}}
		d.reading = r
	}
	now := d.places()
	for id, at := range r.stayed {
		if now[id] != at {
			delete(r.stayed, id)
		}
	}
	limit := 1 + d.s.below(3)
	d.note("read %d at %+v", limit, r.Reader)
	page, more := d.c.Read(&r.Reader, make([]Info, 0, limit), d.now)
	require.LessOrEqual(d.t, len(page), limit)
	for _, i := range page {
		r.came[i.ID]++
		require.NotEmpty(d.t, now[i.ID], "%d has settled: %s", i.ID, d)
	}
	if more {
		return
	}
	for id := range r.stayed {
		require.Equal(d.t, 1, r.came[id], "%d stayed: %s", id, d)
	}
	d.reading = nil
}

// advanceSomeBoth lets a part happen of what is due, and leaves the rest for later.
func (d *duel) advanceSomeBoth() {
	limit := 1 + d.s.below(3)
	d.note("advance by %d", limit)
	want := d.model.advanceSome(limit)
	d.model.follow()
	d.do(func(c *Core) {
		more := c.AdvanceSome(d.now, limit)
		require.True(d.t, more || !want, "there is more: %s", d)
	})
}
