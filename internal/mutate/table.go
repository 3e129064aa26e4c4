package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A mutation is one bug: in file, old becomes new. The texts are short, so that they
// outlive most changes around them; old must be there exactly once.
type mutation struct {
	file, old, new string
	race           bool // only the race detector can be counted on to find it
}

// fromTable returns the table's mutants of files with only in their name. The error
// says which rows do not fit the code as it is.
func fromTable(only string) (mutants []mutant, err error) {
	for _, m := range table {
		if !strings.Contains(m.file, only) {
			continue
		}
		text, failed := os.ReadFile(m.file)
		source := string(text)
		if failed == nil && strings.Count(source, m.old) != 1 {
			failed = fmt.Errorf("%s: %q is not there once", m.file, m.old)
		}
		err = errors.Join(err, failed)
		begin := strings.Index(source, m.old)
		mutants = append(mutants, mutant{m.file, fmt.Sprintf("%q -> %q", m.old, m.new), begin, begin + len(m.old), m.new, m.race})
	}
	return mutants, err
}

// table has the mutations.
var table = slices.Concat(ofQueue, ofRest, ofSchedules)

// ofQueue has those of the rules, the engine and the pool.
var ofQueue = []mutation{
	// The rules.
	{file: "internal/core/core.go", old: "c.pending += m.Len()", new: "_ = m.Len()"},
	{file: "internal/core/core.go", old: "c.held += m.Len()", new: "_ = m.Len()"},
	{file: "internal/core/room.go", old: "c.cfg.Capacity-c.held-c.blocked.len(), 0)", new: "c.cfg.Capacity-c.held-c.blocked.len()+1, 0)"},
	{file: "internal/core/room.go", old: "c.cfg.Capacity-c.held-c.blocked.len(), 0)", new: "c.cfg.Capacity-c.held, 0)"},
	{file: "internal/core/unique.go", old: "old.waiting() && !old.started", new: "old.waiting()"},
	{file: "internal/core/unique.go", old: "old.Roomless && !old.started", new: "old.Roomless"},
	{file: "internal/core/unique.go", old: "j.Roomless || old.Roomless", new: "j.Roomless || false"},
	{file: "internal/core/unique.go", old: "other.until > s.until", new: "true"},
	{file: "internal/core/room.go", old: "\t\tc.spend(j)\n", new: ""},
	{file: "internal/core/blocked.go", old: "v, _, done := c.clash(j, now)", new: "v, done := Accepted, false"},
	{file: "internal/core/settle.go", old: "\tc.watch(j)                // anew: see putBack\n", new: ""},
	{file: "internal/fifo/fifo.go", old: "\t\tl.last.nextID = 0\n", new: "\n"},
	{file: "internal/fifo/fifo.go", old: "else if o.first.nextID = 0; o", new: "else if o"},
	{file: "internal/core/blocked.go", old: "\t\tj.Group.offers.remove(j, alike)\n", new: ""},
	{file: "internal/core/room.go", old: "\tc.held++\n\tif c.cfg", new: "\tif c.cfg"},
	{file: "internal/core/unique.go", old: "if c.holder(j) == j {", new: "if c.holder(j) != nil {"},
	{file: "internal/core/core.go", old: "c.keys.get(j.Key).taken--", new: "_ = c.keys.get(j.Key)"},
	{file: "internal/core/core.go", old: "k.taken < next.KeyLimit", new: "k.taken <= next.KeyLimit"},
	{file: "internal/core/index.go", old: "k.jobs.remove(j, alike); k.jobs.n == 0 {", new: "k.jobs.remove(j, alike); false {"},
	{file: "internal/core/core.go", old: "if j.State == Delayed {\n\t\tc.delayed--", new: "if j.State == Delayed {\n\t\tc.retries--"},
	{file: "internal/core/core.go", old: "k.queue.len() > 0 || k.taken", new: "k.taken"},
	{file: "internal/core/blocked.go", old: "c.held >= c.cfg.Capacity {", new: "c.held > c.cfg.Capacity {"},
	{file: "internal/core/blocked.go", old: "\tc.release(j)\n\tc.quit(j)\n\treturn true", new: "\tc.quit(j)\n\treturn true"},
	{file: "internal/core/unique.go", old: "case j.UniquePolicy == ReplacePending:", new: "case false:"},
	{file: "internal/core/claim.go", old: "c.running >= c.Limit() {", new: "c.running > c.Limit() {"},
	{file: "internal/core/claim.go", old: "min(c.stuck, c.cfg.StuckAllowance)", new: "c.stuck"},
	{file: "internal/core/claim.go", old: "\tc.running++\n", new: "\n"},
	{file: "internal/core/claim.go", old: "\tj.Attempt++\n", new: "\n"},
	{file: "internal/core/claim.go", old: "c.runs[r.pos].pos = r.pos", new: "_ = r"},
	{file: "internal/core/order.go", old: "h.rank(i, now) == top && !h.passed(i, top, now)", new: "h.rank(i, now) == top"},
	{file: "internal/core/order.go", old: "const ageing = time.Minute", new: "const ageing = time.Hour"},
	{file: "internal/core/claim.go", old: "\t\tc.undelay(j)\n\t\tc.ready(j, now)", new: "\t\tc.undelay(j)"},
	{file: "internal/core/claim.go", old: "if r.Cause >= cause {", new: "if r.Cause != NotCancelled {"},
	{file: "internal/core/claim.go", old: "\t\tc.stuck++\n", new: "\n"},
	{file: "internal/core/claim.go", old: "there && (!ok || t < due)", new: "there && (!ok || t > due)"},
	{file: "internal/core/claim.go", old: "there && (!ok || t < due)", new: "there && !ok"},
	{file: "internal/core/claim.go", old: "c.running-c.exempt == 0", new: "c.running == 0"},
	{file: "internal/core/share.go", old: "\t\tc.held -= n\n", new: "\n"},
	{file: "internal/core/waitlist.go", old: "\tc.n--\n", new: ""},
	{file: "internal/core/waitlist.go", old: "l.list.Len()-int(l.list.Next()-j.spot)", new: "l.list.Len()"},
	{file: "internal/core/claim.go", old: "c.running <= c.Limit() &&", new: ""},
	{file: "internal/core/settle.go", old: "\t\tc.exempt--\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\t\tc.stuck--\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tc.deadlines.Remove(&r.deadline)\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tj.Attempt--\n", new: "\n"},
	{file: "internal/core/settle.go", old: "j.Attempt >= j.MaxAttempts", new: "j.Attempt > j.MaxAttempts"},
	{file: "internal/core/settle.go", old: "\t\tc.counts.Retried++\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tc.leaveKey(j)\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tc.release(j)\n", new: ""},
	{file: "internal/core/core.go", old: "\tc.spend(j)\n", new: ""},
	{file: "internal/core/settle.go", old: "if watched || j.Ref != nil || j.member {", new: "if watched || j.member {"},
	{file: "internal/core/cancel.go", old: "if !j.started {", new: "if false {"},
	{file: "internal/core/settle.go", old: "\tc.pending++\n\tc.interrupted++\n", new: "\tc.interrupted++\n"},
	{file: "internal/core/failures.go", old: "f.all.Len() >= c.cfg.FailuresKept", new: "f.all.Len() > c.cfg.FailuresKept"},
	{file: "internal/core/cancel.go", old: "c.held--\n", new: ""},
	{file: "internal/core/room.go", old: "e.ID < c.roomed.head.ID", new: "e.ID > c.roomed.head.ID"},
	{file: "internal/core/job.go", old: "len(p.errs) == maxErrs", new: "len(p.errs) == maxErrs+1"},
	{file: "internal/core/control.go", old: "c.lanes[i].front.take(&aside[i])", new: "_ = aside"},
	{file: "internal/core/front.go", old: "small.Len() > maxMoved", new: "small.Len() >= 0"},
	{file: "internal/core/index.go", old: "j.ID > s.UpTo", new: "false"},
	{file: "internal/core/index.go", old: "s.After = some[len(some)-1].ID", new: "_ = s"},
	{file: "internal/core/index.go", old: "j.ID > id && !yield(j)", new: "!yield(j)"},
	{file: "internal/core/read.go", old: "seen == 2*limit", new: "false"},
	{file: "internal/core/read.go", old: "r.number = number + 1;", new: "r.number = number;"},
	{file: "internal/core/read.go", old: "r.seq = seqOf(j)", new: "_ = j"},
	{file: "internal/core/limit.go", old: "moved.set.seats[moved.i] = s.seats[i]", new: "_ = moved"},
	{file: "internal/core/control.go", old: "\t\tc.exempt++\n", new: "\n"},

	// The queue: who is woken, told, and let in.
	{file: "internal/engine/engine.go", old: "\t\te.mail.room = e.core.Room() - e.inbox.Len() - e.mail.list.Len()\n", new: ""},
	{file: "internal/engine/engine.go", old: " - e.mail.list.Len()\n", new: "\n"},
	{file: "internal/engine/engine.go", old: "\tfor e.inbox.Len() > 0 {\n\t\te.collect()\n\t}\n", new: ""},
	{file: "internal/engine/engine.go", old: "\t\te.hold()\n\t\te.mail.lastID", new: "\t\te.mail.lastID"},
	{file: "internal/engine/engine.go", old: "+e.inbox.Len() > 0 || m.crashed", new: " > 0 || m.crashed"},
	{file: "internal/engine/engine.go", old: " || m.watched && m.list.Len() > 0:", new: ":"},
	{file: "internal/engine/engine.go", old: "case m.list.Len() > 0 || e.shared != nil", new: "case e.shared != nil"},
	{file: "internal/engine/engine.go", old: "\te.mail.watched = e.core.Watches(core.DidEnqueue)\n", new: ""},
	{file: "internal/engine/mailbox.go", old: "\tif j.Unique != \"\" || j.Group != nil {\n\t\treturn 0, false\n\t}\n", new: ""},
	{file: "internal/engine/mailbox.go", old: " || !m.attended {\n\t\tm.mu.Unlock()\n\t\treturn 0", new: " {\n\t\tm.mu.Unlock()\n\t\treturn 0"},
	{file: "internal/engine/mailbox.go", old: "\t\tend.Accepted(j.ID)\n", new: "\t\t_ = end\n"},
	{file: "internal/engine/mailbox.go", old: "j.RunAt > j.EnqueuedAt || ", new: ""},
	{file: "internal/engine/engine.go", old: "case m.pressing || m.poked", new: "case m.poked"},
	{file: "internal/engine/engine.go", old: "m.pressing || m.poked ||", new: "m.pressing ||"},
	{file: "internal/engine/claim.go", old: " || w.pinned.Load() {", new: " {"},
	{file: "internal/engine/claim.go", old: "\t\t\tchunk.Keep()\n", new: ""},
	{file: "internal/engine/claim.go", old: "\t\t\t\tw.from.Store(chunk)\n", new: ""},
	{file: "internal/engine/dispatch.go", old: "w.pinned.Store(true)", new: ""},
	{file: "internal/engine/dispatch.go", old: " || w.from.Load() != e.shared", new: ""},
	{file: "internal/engine/sampler.go", old: "p.length, p.left = 1, 0\n\tp.engine", new: "p.left = 0\n\tp.engine"},
	{file: "internal/fifo/chunk.go", old: "return c.leases > 0 || c.kept.Load()", new: "return c.leases > 0"},
	{file: "internal/fifo/gate.go", old: "!o.inUse()", new: "o.leases == 0"},
	{file: "internal/fifo/gate.go", old: "limit < c.easy || ", new: "limit < 0 || "},
	{file: "internal/fifo/gate.go", old: " && c.next != nil\n}", new: "\n}"},
	{file: "internal/engine/engine.go", old: "m.napping = e.found || m.list.Len() > 0;", new: "m.napping = e.found;"},
	{file: "internal/engine/engine.go", old: "e.mail.pressing, e.mail.top = false, core.Low", new: "e.mail.top = core.Low"},
	{file: "internal/engine/mailbox.go", old: "j.Within > 0 || ", new: ""},
	{file: "internal/engine/mailbox.go", old: "m.stamp = e.Now()\n\t}\n\tj.ID", new: "m.stamp = 0\n\t}\n\tj.ID"},
	{file: "internal/engine/mailbox.go", old: " && m.list.Len() == 0 { // nothing is before it", new: " {"},
	{file: "internal/engine/mailbox.go", old: " || m.closed || m.list.Len() > 0 {", new: " || m.closed {"},
	{file: "internal/engine/dispatch.go", old: "\t\te.coming.Store(true)\n", new: ""},
	{file: "internal/engine/engine.go", old: "due < e.armed", new: "due > e.armed"},
	{file: "internal/engine/owner.go", old: " || e.serveOwn(r)\n", new: "\n"},
	{file: "internal/engine/engine.go", old: "\te.mail.crashed = err\n\te.tell()", new: "\te.mail.crashed = err\n\te.mail.mu.Unlock()"},
	{file: "internal/engine/offer.go", old: "j.State == core.Blocked && e.caller(o.Inside, me) != nil", new: "false"},
	{file: "internal/engine/halt.go", old: "return e.workerOn(me)", new: "return nil"},
	{file: "internal/engine/halt.go", old: "ok && w.engine == e && w.contexts.Runs(inside)", new: "ok && false"},
	{file: "internal/stuck/stuck.go", old: "\tif j := s.jobs[id]; j != nil {\n\t\ts.tell(j, nil)\n\t}\n", new: ""},
	{file: "internal/stuck/stuck.go", old: "return stacksEvery - time.Since(s.lastDump), true", new: "return 0, true"},
	{file: "internal/stuck/stuck.go", old: "\t\t<-ended\n", new: "\t\t_ = ended\n"},
	{file: "internal/stuck/stuck.go", old: "\t\thasten()\n", new: "\n"},
	{file: "internal/goid/goid.go", old: "id != 0 && id == other", new: "id == other"},
	{file: "internal/guard/guard.go", old: "\t\tUnlabel()\n\t\tf()", new: "\t\tf()"},

	// The contexts of jobs.
	{file: "internal/jobctx/book.go", old: "len(p.used) >= maxUsed", new: "false"},
	{file: "internal/jobctx/book.go", old: "p.base != base || b.given == b.room", new: "p.base != base"},
	{file: "internal/jobctx/book.go", old: "\tif b.given == b.room {\n\t\treturn false", new: "\tif false {\n\t\treturn false"},
	{file: "internal/engine/context.go", old: "w.record == nil && w.base == queue", new: "w.base == queue"},
	{file: "internal/engine/context.go", old: "\t\tw.base = nil\n", new: ""},
	{file: "internal/jobctx/book.go", old: "\tb.show(mark << numberBits)\n", new: ""},
	{file: "internal/jobctx/book.go", old: "\tp.book.Store(nil)\n", new: ""},
	{file: "internal/jobctx/book.go", old: "if b.page != nil && len(b.page.cells) == 1 {", new: "if false {"},
	{file: "internal/jobctx/book.go", old: " && p.at(n) == context.Context(c)", new: ""},
	{file: "internal/jobctx/book.go", old: "if bounds.Ended != nil {", new: "if false {"},
	{file: "internal/jobctx/book.go", old: "if b.live.Load() != nil {", new: "if false {"},
	{file: "internal/jobctx/context.go", old: "s != nil && s.of == c", new: "s != nil"},
	{file: "internal/jobctx/context.go", old: "end = s.tell(end)", new: "_ = s"},
	{file: "internal/jobctx/values.go", old: "\tv.own.Store(nil)\n\tv.before.Store(nil)\n", new: ""},
	{file: "internal/jobctx/values.go", old: "v.first = before.first", new: "_ = v"},
	{file: "internal/goid/goid.go", old: "\tif !ok {\n\t\treturn 0 //", new: "\tif false {\n\t\treturn 0 //"},
	{file: "internal/engine/offer.go", old: "if withdrawn {", new: "if _ = withdrawn; true {"},
	{file: "internal/engine/halt.go", old: "\t\te.mail.closed = true\n\t\tc.Refuse()", new: "\t\tc.Refuse()"},
	{file: "internal/engine/halt.go", old: "\t\te.mail.closed = true\n\t\tc.Refuse()", new: "\t\te.mail.closed = true"},
	{file: "internal/engine/engine.go", old: "\t\tclose(e.drained)\n", new: "\n"},
	{file: "internal/engine/engine.go", old: "\t\te.core.AdvanceSome(now, SlicedJobs)\n", new: ""},
	{file: "internal/engine/engine.go", old: "\t\tm.crashed = nil\n", new: ""},
	{file: "internal/engine/engine.go", old: "return min(due, e.endPeriod(now))", new: "return due"},
	{file: "internal/engine/mailbox.go", old: "first := m.list.Len() == 0\n\tif first", new: "first := false\n\tif first"},
	{file: "internal/engine/mailbox.go", old: "m.eager && !e.coming.Load() || first && !m.n", new: "first && !m.n"},
	{file: "internal/engine/mailbox.go", old: "\tm.room--\n\tm.lastID++\n\tif !m.list.TryPushBare", new: "\tm.lastID++\n\tif !m.list.TryPushBare"},
	{file: "internal/engine/mailbox.go", old: "\tm.room--\n\tm.lastID++\n\tif first || m.lastID%dated == 0 || j", new: "\tm.lastID++\n\tif first || m.lastID%dated == 0 || j"},
	{file: "internal/engine/mailbox.go", old: "m.lastID%dated == 0 || j.Within > 0", new: "m.lastID%dated == 0"},
	{file: "internal/sorted/sorted.go", old: "l.spare = all[:0]", new: "l.spare = all"},
	{file: "internal/engine/mailbox.go", old: "\tif m.room <= 0 || m.closed {\n\t\tclosed", new: "\tif m.room <= 0 {\n\t\tclosed"},
	{file: "internal/engine/owner.go", old: "\tm.attended, m.awake, m.napping = ", new: "\t_, m.awake, m.napping = "},
	{file: "internal/engine/worker.go", old: "w.fail(errs.ErrGoexit, false)", new: "_ = w"},
	{file: "internal/engine/worker.go", old: "\t\tguard.Go(w.main)\n", new: "\n"},
	{file: "internal/engine/worker.go", old: "\te.coming.Store(false)\n", new: ""},
	{file: "internal/engine/worker.go", old: "w.end = notYet\n\tif w.result", new: "if w.result"},
	{file: "internal/engine/halt.go", old: "\tclose(w.lease)\n", new: ""},
	{file: "internal/engine/claim.go", old: "if w.away || w.end != well ||", new: "if w.end != well ||"},
	{file: "internal/engine/claim.go", old: "fn == nil || !w.smooth ||", new: "fn == nil ||"},
	{file: "internal/engine/claim.go", old: "w.sampler.over() || w.base != w.engine.base.Load() {", new: "w.sampler.over() {"},
	{file: "internal/engine/claim.go", old: "\tif w.engine.blocked.Load() {", new: "\tif false {"},
	{file: "internal/engine/mailbox.go", old: " || m.closed || w.sampler.full() {", new: " || m.closed {"},
	{file: "internal/jobctx/book.go", old: "\tif b.crowded {\n", new: "\tif false {\n"},
	{file: "internal/restart/promise.go", old: "c.promised && s.cause != errs.ErrRestart", new: "c.promised && s.cause == errs.ErrRestart"},
	{file: "internal/restart/promise.go", old: "c.promised && !s.serving", new: "false"},
	{file: "internal/restart/calls.go", old: "\ts.dropped(c)\n", new: ""},
	{file: "internal/restart/state.go", old: "\t\t\ts.dropped(c)\n", new: ""},
	{file: "internal/restart/state.go", old: "\tcase !c.due:\n\t\ts.dropped(c)\n", new: ""},
	{file: "serve.go", old: "open := restart && !l.dropped", new: "open := restart"},
	{file: "shutdown.go", old: "l.toldBooks == c.Snapshot() && !q.told.Load()", new: "l.toldBooks == c.Snapshot()"},
	{file: "shutdown.go", old: "l.toldBooks == c.Snapshot() && !q.told.Load()", new: "!q.told.Load()"},
	{file: "internal/eventbus/queue.go", old: "\t\tlimit /= 2\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "q.lossy = q.bytes+size > limit", new: "q.lossy = q.bytes > limit"},
	{file: "internal/eventbus/queue.go", old: "\tq.closed = last\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "\tq.bytes -= q.batch.bytes\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "if len(q.backlog) == 0 { // a loss", new: "if false { // a loss"},
	{file: "internal/eventbus/bus.go", old: "q.isLate() || ", new: ""},
	{file: "internal/eventbus/bus.go", old: "!q.runsOn(me) && ", new: ""},
	{file: "observer.go", old: "\t\tn += len(p.Stack)\n", new: "\n"},
	{file: "shutdown.go", old: "\tq.flushOthers(end)\n", new: "\n"},
	{file: "shutdown.go", old: "\th.bus.Exempt()\n", new: "\n"},
	{file: "shutdown.go", old: "h.bus.Last(h.complete(last))", new: "h.emit(last)"},
	{file: "internal/engine/worker.go", old: "case <-w.engine.state:\n\t\t\tw.engine.serveOnce()", new: "case w.engine.state <- struct{}{}:"},
	{file: "internal/engine/dispatch.go", old: "e.core.Closed() || e.core.Surplus()", new: "e.core.Closed()"},
	{file: "internal/engine/effects.go", old: "f.Job.Answer <- nil", new: "_ = f"},
	{file: "internal/engine/dispatch.go", old: "\t\tw.contexts.Cancel(f.Cause.Err())\n", new: ""},
	{file: "serve.go", old: "told := tree.Err() != nil", new: "told := l.closing"},
	{file: "internal/engine/halt.go", old: "\t\tc.SetStopped(true)\n\t\tc.InterruptAll(now)\n", new: "\t\tc.SetStopped(true)\n\t\t_ = now\n"},
	{file: "shutdown.go", old: "\tq.exemptCaller(inside)\n", new: "\n"},
	{file: "serve.go", old: "\t\tq.engine.Interrupt(end)\n", new: "\n"},
	{file: "serve.go", old: "\tq.engine.Refuse()\n\tif !l.closing {\n\t\tq.tell", new: "\tif !l.closing {\n\t\tq.tell"},
	{file: "shutdown.go", old: "\t\th.engine.SetValues(context.Background())", new: "\t\t_ = context.Background()"},
	{file: "restore.go", old: "l.taken.Swap(true)", new: "l.taken.Load()"},
	{file: "serve.go", old: "newSupervisorConfig(RestForOne)", new: "newSupervisorConfig(OneForOne)"},
	{file: "task.go", old: "t.ended, t.err, t.queue = true, o.Err, nil", new: "t.ended, t.queue = true, nil"},

	// The pool.
	{file: "pool.go", old: "s.Idle-s.Pending", new: "s.Idle"},
	{file: "pool.go", old: "\tp.engine.InterruptTaken(end)\n\tp.engine.Close()\n\tp.mu.Lock()", new: "\tp.engine.Close()\n\tp.mu.Lock()"},
	{file: "pool.go", old: "\tp.engine.Close()\n\tp.engine.StopTimer()", new: "\tp.engine.StopTimer()"},
	{file: "internal/engine/engine.go", old: "e.armed = span.Never\n\t\tc.Advance(now)", new: "c.Advance(now)"},
}
