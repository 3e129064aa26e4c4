package main

// ofSchedules has those of the scheduler and the calendar.
var ofSchedules = []mutation{
	// What becomes of runs that are due.
	{file: "internal/scheduler/due.go", old: "if d.total > 0 { // else Unschedule", new: "if true { // else Unschedule"},
	{file: "internal/scheduler/due.go", old: "t.due += d.total", new: "t.due++"},
	{file: "internal/scheduler/due.go", old: "d.late <= lateAfter+d.grace", new: "d.late <= lateAfter"},
	{file: "internal/scheduler/due.go", old: "\t\tkeep = max(keep, 1)\n", new: ""},
	{file: "internal/scheduler/due.go", old: "d.total - uint64(keep); skipped > 0", new: "d.total - uint64(keep); skipped > 1"},
	{file: "internal/scheduler/due.go", old: "last = all[some-1]", new: "_ = some"},
	{file: "internal/scheduler/due.go", old: "all = all[len(all)-keep:]", new: "all = all[:keep]"},
	{file: "internal/scheduler/due.go", old: "s.postponeAtMost(t, t.cfg.Missed)", new: "_ = t.cfg.Missed"},
	{file: "internal/scheduler/due.go", old: "\t\tif !r.manual {\n\t\t\tover++", new: "\t\tif !r.manual || true {\n\t\t\tover++"},
	{file: "internal/scheduler/due.go", old: "dropped == uint64(over) || r.manual", new: "dropped == uint64(over)"},
	{file: "internal/scheduler/due.go", old: "return !t.waits() || c.Room() > 0", new: "return true || c.Room() > 0"},
	{file: "internal/scheduler/due.go", old: "t.paused && !t.postponed[0].manual && !overlap:", new: "t.paused && !overlap:"},
	{file: "internal/scheduler/due.go", old: "(t.active == nil || overlap)", new: "t.active == nil"},
	{file: "internal/scheduler/due.go", old: "if s.cancelPrevious(c, t, now) {", new: "if true {"},
	{file: "internal/scheduler/steps.go", old: "\tt.postponed = nil\n\tt.lineage.cancelUpTo", new: "\tt.lineage.cancelUpTo"},
	{file: "internal/scheduler/due.go", old: "r.record.Roomless = !t.waits()", new: "r.record.Roomless = true"},
	{file: "internal/scheduler/due.go", old: "t.past().refused++", new: "_ = t"},
	{file: "internal/scheduler/due.go", old: "\tif !due.manual {", new: "\tif true {"},
	{file: "internal/scheduler/due.go", old: "r.record.Label = t.name", new: "_ = t"},
	{file: "internal/scheduler/due.go", old: "\tt.setLast(r.due, s.clock)\n", new: ""},
	{file: "internal/scheduler/due.go", old: "\t\tc.Reject(j, now)\n", new: ""},
	{file: "internal/scheduler/due.go", old: "s.waitList = append(s.waitList, t)", new: "_ = t"},
	{file: "internal/scheduler/due.go", old: "t := s.waitList[0].current()", new: "t := s.waitList[0]"},
	{file: "internal/scheduler/due.go", old: "\t\t\ts.makeDue(c, d, now)\n\t\t}\n\t\ts.due", new: "\t\t\t_ = d\n\t\t}\n\t\ts.due"},

	// The loop, and the runs that are jobs.
	{file: "internal/scheduler/loop.go", old: "t.next, t.stale = span.Sum(now.Mono, t.period), false\n\t\t\ts.arm", new: "s.arm"},
	{file: "internal/scheduler/loop.go", old: "\t\ts.takeEarly(now)\n", new: ""},
	{file: "internal/scheduler/loop.go", old: "\t\ts.asker.each(s.makeKnown)\n", new: ""},
	{file: "internal/scheduler/loop.go", old: "\tif t.gone {\n\t\tn =", new: "\tif false {\n\t\tn ="},
	{file: "internal/scheduler/loop.go", old: "missed: t.late,", new: "missed: false,"},
	{file: "internal/scheduler/loop.go", old: "\tt.late = false\n\ts.due", new: "\ts.due"},
	{file: "internal/scheduler/loop.go", old: "due.before.Moment = newest - t.period*time.Duration(keep)", new: "_ = keep"},
	{file: "internal/scheduler/run.go", old: "\tif t.waiting == r {", new: "\tif false {"},
	{file: "internal/scheduler/run.go", old: "if !handedBack && !t.broken && !t.hung {", new: "if !t.broken && !t.hung {"},
	{file: "internal/scheduler/run.go", old: "if !handedBack && !t.broken && !t.hung {", new: "if !handedBack {"},
	{file: "internal/scheduler/run.go", old: "\t\tr.next.prev = r.prev\n", new: "\n"},
	{file: "internal/scheduler/run.go", old: "\tif o.State == core.Processed {", new: "\tif true {"},

	// The list of tasks.
	{file: "internal/scheduler/list.go", old: "ranks[i].next = math.MaxInt64", new: "_ = i"},
	{file: "internal/scheduler/list.go", old: "if a.nano != b.nano {", new: "if false {"},
	{file: "internal/scheduler/list.go", old: "k.Minor > upTo || len(some)", new: "len(some)"},
	{file: "internal/scheduler/list.go", old: "return cmp.Compare(infos[a.i].Name, infos[b.i].Name)", new: "return 0"},
	{file: "internal/scheduler/scheduler.go", old: "t.place = old.place", new: "_ = old"},
	{file: "internal/scheduler/scheduler.go", old: "\ts.listed.Delete(sorted.Key{Minor: t.place})\n", new: ""},

	// Tasks that are replaced or removed.
	{file: "internal/scheduler/gone.go", old: "\t\t\tc.ResumeTask(old.name)\n", new: ""},
	{file: "internal/scheduler/gone.go", old: "t.next <= t.heir.since", new: "t.next < t.heir.since"},
	{file: "internal/scheduler/gone.go", old: "\t\t\td.total = 0\n", new: ""},
	{file: "internal/scheduler/gone.go", old: "uint64(age/t.period)+1", new: "uint64(age/t.period)"},
	{file: "internal/scheduler/gone.go", old: "|| t.paused || !t.hasNext:", new: "|| !t.hasNext:"},

	// Asking schedules.
	{file: "internal/scheduler/answer.go", old: "\t\tif r.total == 1 {", new: "\t\tif false {"},
	{file: "internal/scheduler/answer.go", old: "\tif q.made && r.total > 0 {", new: "\tif false {"},
	{file: "internal/scheduler/answer.go", old: "missed: missed || q.known.missed,", new: "missed: missed,"},
	{file: "internal/scheduler/answer.go", old: "case t.paused || s.isStopped(): // it", new: "case s.isStopped(): // it"},
	{file: "internal/scheduler/ask.go", old: "if !q.known.missed && q.known.late <= lateAfter {", new: "if true {"},
	{file: "internal/scheduler/ask.go", old: "\t\tif since >= AskLimit {", new: "\t\tif false {"},
	{file: "internal/scheduler/ask.go", old: "\tq.made = true\n", new: ""},
	{file: "internal/scheduler/ask.go", old: "\ta := &s.asker\n\tstalled := 0\n\tfor _, q := range a.asked {\n\t\tsince", new: "\ta := &s.asker\n\tstalled := 0\n\tfor _, q := range a.waiting {\n\t\tsince"},

	// The calendar.
	{file: "internal/calendar/calendar.go", old: "return -1 // never 0", new: "return 0 // never 0"},
	{file: "internal/calendar/calendar.go", old: "\tslices.SortFunc(sorted, time.Time.Compare)\n", new: ""},
	{file: "internal/calendar/calendar.go", old: "if !next.IsZero() && !next.After(after) {", new: "if false {"},
	{file: "internal/calendar/calendar.go", old: "\t\tafter = again\n", new: "\t\tafter, _ = next, again\n"},
	{file: "internal/calendar/zone.go", old: "from = enters.Add(-1)", new: "from = enters"},
	{file: "internal/calendar/zone.go", old: "last := start.Add(-1)", new: "last := start"},
	{file: "internal/calendar/zone.go", old: "if r := reading(last); !ok || r.After(high) {", new: "if r := reading(last); true {"},
	{file: "internal/calendar/zone.go", old: "t.Add(high.Sub(shown)), true", new: "t, true"},
	{file: "internal/calendar/zone.go", old: "for range 8 {", new: "for range 7 {"},
}
