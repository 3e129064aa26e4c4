package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// This file renders a trace. Jobs are called by their names, and what is empty
// or zero is left out.

func (tr *trace) effect(e Effect) string {
	words := []string{e.Kind.String()}
	info := Info{}
	if e.Info != nil {
		info = *e.Info
	}
	if e.Job != nil && info.ID == 0 {
		words = append(words, e.Job.Label)
	}
	if e.Run != nil {
		words = append(words, fmt.Sprint(e.Run.Owner))
	}
	if e.Cause != NotCancelled {
		words = append(words, "("+e.Cause.String()+")")
	}
	if info.ID != 0 || e.Kind == DidReject {
		words = append(words, tr.info(info))
	}
	if e.Limit != nil {
		words = append(words, fmt.Sprint(e.Limit.Key))
	}
	if e.Group != nil {
		words = append(words, fmt.Sprint(e.Group.Ref))
	}
	if e.Why != NoRoom {
		words = append(words, [...]string{"", "duplicate", "group over", "closed"}[e.Why])
	}
	if e.Err != nil {
		words = append(words, said(errors.Is(e.Err, ErrDeadline), said(errors.Is(e.Err, errJob), "err+deadline", "deadline"), "err"))
	}
	if e.Wait != 0 {
		words = append(words, fmt.Sprintf("waited=%v", e.Wait))
	}
	if e.Took != 0 {
		words = append(words, fmt.Sprintf("took=%v", e.Took))
	}
	return strings.Join(words, " ")
}

func (tr *trace) info(i Info) string {
	name := i.Label
	if name == "" {
		name = tr.names[i.ID]
	}
	s := fmt.Sprintf("%s %v", name, i.State)
	if i.Attempt > 0 {
		s += fmt.Sprintf(" attempt=%d", i.Attempt)
	}
	if i.RunAt > 0 {
		s += fmt.Sprintf(" due=%v", i.RunAt)
	}
	if i.Stuck {
		s += " stuck"
	}
	return s
}

func (tr *trace) state() []string {
	head := fmt.Sprintf("%v: %s", tr.now, tr.books())
	var lines []string
	for _, l := range []string{tr.running(), tr.inLine(), tr.waiting(), tr.rest()} {
		if l != "" {
			lines = append(lines, l)
		}
	}
	return append([]string{head}, lines...)
}

func (tr *trace) books() string {
	s := tr.c.Snapshot()
	var parts []string
	for _, n := range []struct {
		name string
		n    uint64
	}{
		{"pending", uint64(s.Pending)}, {"delayed", uint64(s.Delayed)}, {"retrying", uint64(s.Retrying)},
		{"running", uint64(s.Running)}, {"stuck", uint64(s.Stuck)},
		{"processed", s.Processed}, {"failed", s.Failed}, {"cancelled", s.Cancelled}, {"evicted", s.Evicted},
		{"rejected", s.Rejected}, {"retried", s.Retried}, {"panicked", s.Panicked},
	} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", n.name, n.n))
		}
	}
	if tr.cfg.Capacity >= 0 {
		parts = append(parts, fmt.Sprintf("room=%d", tr.c.Room()))
	}
	for _, f := range []struct {
		name string
		on   bool
	}{{"paused", s.Paused}, {"closed", tr.c.Closed()}, {"idle", tr.c.Idle(tr.now)}} {
		if f.on {
			parts = append(parts, f.name)
		}
	}
	return strings.Join(parts, " ")
}

func (tr *trace) running() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(tr.runs)) {
		r := tr.runs[name]
		if r.ID == 0 {
			continue
		}
		s := name + "=" + tr.names[r.ID]
		if r.Cause != NotCancelled {
			s += "(" + r.Cause.String() + ")"
		}
		parts = append(parts, s)
	}
	return row("running", parts)
}

func (tr *trace) inLine() string {
	var parts []string
	for p := High; p >= Low; p-- {
		l := tr.c.lane(p)
		var names []string
		for _, j := range l.front.all() {
			names = append(names, j.Label)
		}
		for e := range l.list.All() {
			names = append(names, tr.entry(e))
		}
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%s[%s]", [...]string{"low", "normal", "high"}[p+1], strings.Join(names, " ")))
		}
	}
	return row("lanes", parts)
}

func (tr *trace) entry(e Entry) string {
	if e.Job != nil {
		return tr.names[e.Job.ID] // a plain job that snoozed has a record, but no label
	}
	return tr.names[e.ID]
}

// labels puts the jobs of a list into brackets.
func labels(jobs []*Job) string {
	var names []string
	for _, j := range jobs {
		names = append(names, j.Label)
	}
	return "[" + strings.Join(names, " ") + "]"
}

func (tr *trace) waiting() string {
	var parts []string
	for _, j := range tr.c.waiting.all() {
		parts = append(parts, fmt.Sprintf("%s@%v", tr.names[j.ID], j.RunAt))
	}
	return row("timers", parts)
}

func (tr *trace) rest() string {
	var parts []string
	for _, name := range sortedKeys(&tr.c.keys) {
		k := tr.c.keys.get(name)
		if k.taken+k.queue.len() == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("key %s=%d%s", name, k.taken, labels(k.queue.all())))
	}
	for _, kind := range slices.Sorted(maps.Keys(tr.c.pausedKinds)) {
		parts = append(parts, "paused "+kind+labels(tr.c.pausedKinds[kind].all()))
	}
	for _, u := range sortedKeys(&tr.c.unique) {
		parts = append(parts, "unique "+u+"="+tr.c.unique.get(u).Label)
	}
	for _, u := range sortedKeys(&tr.c.uniqueHolds) {
		parts = append(parts, fmt.Sprintf("unique %s until %v", u, tr.c.uniqueHolds.get(u).until))
	}
	for _, l := range tr.limits() {
		parts = append(parts, tr.limitState(l))
	}
	parts = append(parts, tr.setStates()...)
	for _, name := range slices.Sorted(maps.Keys(tr.groups)) {
		parts = append(parts, tr.groupState(name))
	}
	if tr.c.blocked.len() > 0 {
		parts = append(parts, "blocked"+labels(tr.c.blocked.all()))
	}
	if cut := those(tr.c.WaitingJobs(tr.now), (*Job).WasInterrupted); len(cut) > 0 {
		var names []string
		for _, j := range cut {
			names = append(names, tr.names[j.ID])
		}
		parts = append(parts, "interrupted["+strings.Join(names, " ")+"]")
	}
	if f := tr.c.Failures(); len(f) > 0 {
		var names []string
		for _, k := range f {
			names = append(names, tr.names[k.Job.ID])
		}
		parts = append(parts, "failures["+strings.Join(names, " ")+"]")
	}
	return row("", parts)
}

func sortedKeys[V any](t *table[string, V]) []string {
	return slices.Sorted(maps.Keys(maps.Collect(t.all())))
}

func (w *world) limits() []*Limit {
	return slices.SortedFunc(maps.Values(maps.Collect(w.c.limits.all())), func(a, b *Limit) int {
		return strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key))
	})
}

func (tr *trace) limitState(l *Limit) string {
	s := fmt.Sprintf("limit %v", l.Key)
	for _, f := range []struct {
		name string
		on   bool
	}{{"asking", l.asking}, {"spare", l.spare}, {"failing", l.failing}} {
		if f.on {
			s += " " + f.name
		}
	}
	return s
}

// setStates tells who waits for tokens.
func (tr *trace) setStates() (parts []string) {
	for _, s := range tr.c.sets.all() {
		var names []string
		for _, l := range s.limits {
			names = append(names, fmt.Sprint(l.Key))
		}
		var jobs []*Job
		for i := range s.waitLists {
			jobs = append(jobs, s.waitLists[i].all()...)
		}
		if len(jobs) > 0 {
			parts = append(parts, "for "+strings.Join(names, ",")+labels(jobs))
		}
	}
	slices.Sort(parts)
	return parts
}

func (tr *trace) groupState(name string) string {
	g := tr.groups[name]
	s := fmt.Sprintf("group %s=%d", name, g.open)
	for _, f := range []struct {
		name string
		on   bool
	}{{"closed", g.closed}, {"cancelled", g.cancelled}, {"lost", g.lost}, {"done", g.done}} {
		if f.on {
			s += " " + f.name
		}
	}
	return s
}

// row joins the parts, if there are any.
func row(name string, parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return strings.TrimSpace(name + " " + strings.Join(parts, ", "))
}
