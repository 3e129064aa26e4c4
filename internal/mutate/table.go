package main

import (
	"errors"
	"fmt"
	"os"
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

// table has the mutations, by file.
var table = []mutation{
	// The rules.
	{file: "internal/core/core.go", old: "c.pending += m.Len()", new: "_ = m.Len()"},
	{file: "internal/core/core.go", old: "c.held += m.Len()", new: "_ = m.Len()"},
	{file: "internal/core/room.go", old: "c.cfg.Capacity-c.held-c.blocked.len(), 0)", new: "c.cfg.Capacity-c.held-c.blocked.len()+1, 0)"},
	{file: "internal/core/room.go", old: "c.cfg.Capacity-c.held-c.blocked.len(), 0)", new: "c.cfg.Capacity-c.held, 0)"},
	{file: "internal/core/unique.go", old: "j.started = old.started", new: "_ = old.started"},
	{file: "internal/core/blocked.go", old: "\t\tj.Group.offers.remove(j, alike)\n", new: ""},
	{file: "internal/core/room.go", old: "\tc.held++\n\tif c.cfg", new: "\tif c.cfg"},
	{file: "internal/core/unique.go", old: "if c.holder(j) != j {", new: "if false {"},
	{file: "internal/core/core.go", old: "c.keys.get(j.Key).taken--", new: "_ = c.keys.get(j.Key)"},
	{file: "internal/core/core.go", old: "k.taken < next.KeyLimit", new: "k.taken <= next.KeyLimit"},
	{file: "internal/core/index.go", old: "k.jobs.remove(j, alike); k.jobs.n == 0 {", new: "k.jobs.remove(j, alike); false {"},
	{file: "internal/core/core.go", old: "if j.State == Delayed {\n\t\tc.delayed--", new: "if j.State == Delayed {\n\t\tc.retries--"},
	{file: "internal/core/core.go", old: "k.queue.len() > 0 || k.taken", new: "k.taken"},
	{file: "internal/core/blocked.go", old: "c.held >= c.cfg.Capacity {", new: "c.held > c.cfg.Capacity {"},
	{file: "internal/core/blocked.go", old: "\tc.release(j)\n\tc.quit(j)\n\treturn true", new: "\tc.quit(j)\n\treturn true"},
	{file: "internal/core/unique.go", old: "case j.UniquePolicy == ReplacePending && (", new: "case false && ("},
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
	{file: "internal/core/claim.go", old: "c.counts.Processed++\n\tc.pending--\n\tc.held--", new: "c.counts.Processed++\n\tc.pending--"},
	{file: "internal/core/line.go", old: "\tc.n--\n", new: ""},
	{file: "internal/core/line.go", old: "l.list.Len()-int(l.list.Next()-j.spot)", new: "l.list.Len()"},
	{file: "internal/core/claim.go", old: "c.running <= c.Limit() &&", new: ""},
	{file: "internal/core/settle.go", old: "\t\tc.exempt--\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\t\tc.stuck--\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tc.deadlines.Remove(&r.deadline)\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tj.Attempt--\n", new: "\n"},
	{file: "internal/core/settle.go", old: "j.Attempt >= j.MaxAttempts", new: "j.Attempt > j.MaxAttempts"},
	{file: "internal/core/settle.go", old: "\t\tc.counts.Retried++\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tc.leaveKey(j)\n", new: "\n"},
	{file: "internal/core/settle.go", old: "\tif c.release(j) {\n\t\tc.spend(j)\n\t}\n", new: ""},
	{file: "internal/core/settle.go", old: "if watched || j.Ref != nil || j.member {", new: "if watched || j.member {"},
	{file: "internal/core/cancel.go", old: "if !j.started {", new: "if false {"},
	{file: "internal/core/settle.go", old: "\tc.pending++\n\tc.cuts++\n", new: "\tc.cuts++\n"},
	{file: "internal/core/failures.go", old: "f.all.Len() >= c.cfg.FailuresKept", new: "f.all.Len() > c.cfg.FailuresKept"},
	{file: "internal/core/cancel.go", old: "c.held--\n", new: ""},
	{file: "internal/core/room.go", old: "e.ID < c.roomed.head.ID", new: "e.ID > c.roomed.head.ID"},
	{file: "internal/core/job.go", old: "len(j.Errs) == maxErrs", new: "len(j.Errs) == maxErrs+1"},
	{file: "internal/core/control.go", old: "c.lanes[i].front.take(&aside[i])", new: "_ = aside"},
	{file: "internal/core/front.go", old: "small.Len() > maxMoved", new: "small.Len() >= 0"},
	{file: "internal/core/index.go", old: "j.ID > s.UpTo", new: "false"},
	{file: "internal/core/index.go", old: "s.After = some[len(some)-1].ID", new: "_ = s"},
	{file: "internal/core/index.go", old: "j.ID > id && !yield(j)", new: "!yield(j)"},
	{file: "internal/core/read.go", old: "seen == 2*limit", new: "false"},
	{file: "internal/core/read.go", old: "r.number = number + 1;", new: "r.number = number;"},
	{file: "internal/core/read.go", old: "return j.place != setAside || ", new: "return "},
	{file: "internal/core/limit.go", old: "moved.set.seats[moved.i] = s.seats[i]", new: "_ = moved"},
	{file: "internal/core/control.go", old: "\t\tc.exempt++\n", new: "\n"},

	// The queue: who is woken, told, and let in.
	{file: "engine.go", old: "e.mail.room, e.mail.hold = c.Room(), c.Barred()", new: "e.mail.hold = c.Barred()"},
	{file: "engine.go", old: "e.waking = true\n\t\tw.woken = true", new: "e.waking = true"},
	{file: "engine.go", old: "due < e.armed", new: "due > e.armed"},
	{file: "engine.go", old: "if !e.tryStep(change) {", new: "if e.tryStep(change); false {"},
	{file: "engine.go", old: "e.crashed = newPanicError(v)\n\t\te.poke()", new: "e.crashed = newPanicError(v)"},
	{file: "offer.go", old: "if e.caller(o.inside) != nil {", new: "if false {"},
	{file: "halt.go", old: "return e.workerOn(goid.Current())", new: "return nil"},
	{file: "halt.go", old: "ok && w.engine == e && w.contexts.Runs(inside)", new: "false"},
	{file: "stuck.go", old: "\tif j := s.jobs[id]; j != nil {\n\t\ts.tell(j, nil)\n\t}\n", new: ""},
	{file: "stuck.go", old: "return stacksEvery - time.Since(s.lastDump), true", new: "return 0, true"},
	{file: "stuck.go", old: "\t\t<-ended\n", new: "\t\t_ = ended\n"},
	{file: "stuck.go", old: "\t\thasten()\n", new: "\n"},
	{file: "internal/goid/goid.go", old: "id != 0 && id == other", new: "id == other"},
	{file: "internal/goid/goid.go", old: "\tif !ok {\n\t\treturn 0 //", new: "\tif false {\n\t\treturn 0 //"},
	{file: "offer.go", old: "if withdrawn {", new: "if _ = withdrawn; true {"},
	{file: "halt.go", old: "\t\te.mail.closed = true\n\t\tc.Refuse()", new: "\t\tc.Refuse()"},
	{file: "halt.go", old: "\t\te.mail.closed = true\n\t\tc.Refuse()", new: "\t\te.mail.closed = true"},
	{file: "engine.go", old: "\t\tclose(e.drained)\n", new: "\n"},
	{file: "engine.go", old: "\te.mail.mu.Lock()\n\tdefer e.mail.mu.Unlock()\n\tdefer e.broken()", new: "\tdefer e.broken()", race: true},
	{file: "owner.go", old: "\to.core.AdvanceSome(now, slicedJobs)\n", new: "\n"},
	{file: "owner.go", old: "\to.crashed = nil\n", new: "\n"},
	{file: "owner.go", old: "\to.armed = min(o.due(), o.beat(now))\n\treturn o.armed", new: "\treturn min(o.due(), o.beat(now))"},
	{file: "mailbox.go", old: "first := m.list.Len() == 0", new: "first := false"},
	{file: "mailbox.go", old: " else {\n\t\te.poke()\n\t}", new: ""},
	{file: "mailbox.go", old: "\tm.room--\n", new: "\n"},
	{file: "mailbox.go", old: "m.room <= 0 || m.closed", new: "m.room <= 0"},
	{file: "mailbox.go", old: "\te.mail.mu.Unlock()\n\tif w", new: "\tif w"},
	{file: "worker.go", old: "w.conclude(ErrGoexit, core.Error)", new: "_ = w"},
	{file: "worker.go", old: "\t\tguard.Go(w.main)\n", new: "\n"},
	{file: "worker.go", old: "w.woken, e.waking = false, false", new: "w.woken = false"},
	{file: "worker.go", old: "w.end = notYet\n\tif w.result", new: "if w.result"},
	{file: "idle.go", old: "\tw.gone = true\n", new: "\n"},
	{file: "worker.go", old: "\tw.getUp()\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "\t\tlimit /= 2\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "q.lossy = q.bytes+size > limit", new: "q.lossy = q.bytes > limit"},
	{file: "internal/eventbus/queue.go", old: "\tq.closed = last\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "\tq.bytes -= q.batch.bytes\n", new: "\n"},
	{file: "internal/eventbus/queue.go", old: "\tif len(q.backlog) == 0 {\n\t\tq.tellDropped()\n\t}\n", new: ""},
	{file: "internal/eventbus/bus.go", old: "q.isLate() || ", new: ""},
	{file: "internal/eventbus/bus.go", old: "!q.runsOn(me) && ", new: ""},
	{file: "notify.go", old: "\t\tn += len(p.Stack)\n", new: "\n"},
	{file: "shutdown.go", old: "\tq.flushOthers(end)\n", new: "\n"},
	{file: "halt.go", old: "\te.bus.Excuse()\n", new: "\n"},
	{file: "report.go", old: "e.bus.Last(e.complete(last))", new: "e.emit(last)"},
	{file: "worker.go", old: "\t\tw.locked = false\n\t\tw.engine.mu.Unlock()", new: "\t\tw.locked = false"},
	{file: "worker.go", old: "e.core.Closed() || e.core.Surplus()", new: "e.core.Closed()"},
	{file: "effects.go", old: "f.Job.Answer <- nil", new: "_ = f"},
	{file: "effects.go", old: "e.workerAt(f.Run).contexts.Cancel(causeError(f.Cause))", new: "_ = e"},
	{file: "lifecycle.go", old: "told := tree.Err() != nil", new: "told := l.closing"},
	{file: "halt.go", old: "\t\tc.InterruptAll(now)\n", new: "\n"},
	{file: "shutdown.go", old: "\tq.excuseCaller(inside)\n", new: "\n"},
	{file: "serve.go", old: "\t\tq.halt(end)\n", new: "\n"},
	{file: "lifecycle.go", old: "\tq.refuse()\n\treturn l.failure", new: "\treturn l.failure"},
	{file: "report.go", old: "e.base = &queueValues{context.Background()}", new: "_ = e.base"},
	{file: "restore.go", old: "l.taken.Swap(true)", new: "l.taken.Load()"},
	{file: "tree.go", old: "newSupervisorConfig(RestForOne)", new: "newSupervisorConfig(OneForOne)"},
	{file: "task.go", old: "t.ended, t.err, t.queue = true, o.err, nil", new: "t.ended, t.queue = true, nil"},

	// The pool.
	{file: "pool.go", old: "s.Idle-s.Pending", new: "s.Idle"},
	{file: "pool.go", old: "\tp.halt(end)\n\tp.close()\n\tp.mu.Lock()", new: "\tp.close()\n\tp.mu.Lock()"},
	{file: "pool.go", old: "\tp.close()\n\tp.timer.Stop()", new: "\tp.timer.Stop()"},
	{file: "engine.go", old: "e.armed = never\n\t\tc.Advance(now)", new: "c.Advance(now)"},

	// The supervisor.
	{file: "internal/restart/window.go", old: "len(w.last) < w.limit", new: "len(w.last) <= w.limit"},
	{file: "internal/restart/window.go", old: "<= w.period", new: "< w.period"},
	{file: "internal/restart/state.go", old: "\ts.shell.Disarm(c)\n\tswitch {", new: "\tswitch {"},
	{file: "internal/restart/state.go", old: "if c.State != Stopping {", new: "if true {"},
	{file: "internal/restart/state.go", old: "c.Type == Permanent || e.Err != nil", new: "c.Type == Permanent"},
	{file: "internal/restart/state.go", old: "\tc.Restarts++\n", new: "\n"},
	{file: "internal/restart/state.go", old: "\tc.Failures++\n", new: "\n"},
	{file: "internal/restart/state.go", old: "\t\t\ts.shell.Disarm(c)\n\t\t\tc.enter", new: "\t\t\tc.enter"},
	{file: "internal/restart/state.go", old: "\treplyAll(&c.awaitStop, err)\n", new: "\n"},
	{file: "internal/restart/state.go", old: "\t\ts.endStreak(c)\n\t\tc.enter(Stopping", new: "\t\tc.enter(Stopping"},
	{file: "internal/restart/state.go", old: "> s.cfg.Period", new: ">= s.cfg.Period"},
	{file: "internal/restart/state.go", old: "case c.Type == Temporary && !c.due:", new: "case c.Type == Temporary:"},
	{file: "internal/restart/state.go", old: "c.reason == added || c.Type == Temporary", new: "c.reason == added"},
	{file: "internal/restart/state.go", old: "c.Initial && !c.removing", new: "c.Initial"},
	{file: "internal/restart/state.go", old: "if !e.Harmless {", new: "if e.Err != nil {"},
	{file: "internal/restart/state.go", old: "!e.Told || e.Threw", new: "!e.Told"},
	{file: "internal/restart/state.go", old: "\t\tif c.State == Restarting {\n\t\t\ts.shell", new: "\t\tif false {\n\t\t\ts.shell"},
	{file: "internal/restart/state.go", old: "case c.again || c.due:", new: "case c.again:"},
	{file: "internal/restart/strategy.go", old: "c.Type == Temporary && c.alive() && !c.again", new: "false"},
	{file: "internal/restart/strategy.go", old: "s.Children[i].seq < s.plan.from", new: "s.Children[i].seq <= s.plan.from"},
	{file: "internal/restart/strategy.go", old: "planStart, s.plan.from\n", new: "planStart, s.plan.from+1\n"},
	{file: "internal/restart/strategy.go", old: "c.State == Starting || c.again", new: "c.again"},
	{file: "internal/restart/strategy.go", old: "s.restartFrom(0, c)", new: "s.restartFrom(c.seq, c)"},
	{file: "internal/restart/strategy.go", old: "\t\tc.enter(Restarting, s.Now)\n", new: "\n"},
	{file: "internal/restart/strategy.go", old: "\t\ts.shell.Disarm(c)\n", new: "\n"},
	{file: "internal/restart/calls.go", old: "\t\ts.stop(c)\n\t\treturn true", new: "\t\treturn true"},
	{file: "internal/restart/calls.go", old: "\ts.shell.Disarm(c)\n}", new: "}"},
	{file: "internal/restart/calls.go", old: "s.serving && c.Type == Temporary", new: "c.Type == Temporary"},
	{file: "internal/supervise/state.go", old: "childOf(c).instance.cancel(cause)", new: "childOf(c).instance.cancel(nil)"},
	{file: "internal/supervise/state.go", old: "\t\tof.timer.Stop()\n", new: "\n"},
	{file: "internal/supervise/state.go", old: "if of.timer == timer {", new: "if true {"},
	{file: "internal/supervise/state.go", old: "\tif childOf(c).timer != timer {\n\t\treturn\n\t}\n", new: ""},
	{file: "internal/supervise/state.go", old: "\tif of.instance != i {\n\t\treturn\n\t}\n", new: ""},
	{file: "internal/supervise/state.go", old: "childOf(i.child).instance == i", new: "true"},
	{file: "internal/supervise/state.go", old: "\tof.instance = nil\n}", new: "}"},
	{file: "internal/supervise/state.go", old: "\ts.shown(s.Failure)\n", new: "\n"},
	{file: "internal/supervise/loop.go", old: "case <-l.closed:\n\t\treturn false", new: "case <-make(chan bool):\n\t\treturn false"},
	{file: "internal/supervise/loop.go", old: "\ts.state.abandoned = nil\n", new: "\n"},
	{file: "internal/supervise/loop.go", old: "context.WithoutCancel(end.Context)", new: "end.Context"},
	{file: "internal/supervise/loop.go", old: "!st.Over() && !st.Closing()", new: "!st.Over()"},
	{file: "internal/supervise/loop.go", old: "\t\tl.quit = nil\n\t\tl.do", new: "\t\tl.do"},
	{file: "internal/supervise/supervisor.go", old: "if end.Before {", new: "if false {"},
	{file: "internal/supervise/supervisor.go", old: "\t\t\ts.unlink(service)\n", new: "\n"},
	{file: "internal/supervise/instance.go", old: "\te.told = i.ctx.Err() != nil\n", new: "\n"},
	{file: "internal/supervise/instance.go", old: "\ti.gone.Store(true)\n", new: "\n"},
	{file: "internal/supervise/instance.go", old: "start(i.ctx); err != nil {", new: "start(i.ctx); false && err != nil {"},
	{file: "internal/supervise/instance.go", old: "return e.err == nil || !e.told || e.threw", new: "return true"},
	{file: "internal/supervise/ask.go", old: "l.last == nil || l.last.Over()", new: "true"},
	{file: "internal/supervise/ask.go", old: "\t\t\ta.answer(q, 0)\n", new: "\n"},
	{file: "internal/supervise/ask.go", old: "\ta.calling = false\n", new: "\n"},
	{file: "internal/supervise/nested.go", old: "!seen[inner] && inner.contains(other, seen)", new: "inner == other"},

	// The scheduler.
	{file: "scheduler_task.go", old: "t.armed || t.paused || t.gone", new: "t.armed || t.gone"},
	{file: "scheduler.go", old: "\ts.disarm(t)\n\ts.queue.step", new: "\ts.queue.step"},
	{file: "scheduler.go", old: "s.poke() // the loop", new: "_ = e // the loop"},
	{file: "scheduler.go", old: "c.PauseTask(name)\n", new: "\n"},
	{file: "scheduler_clock.go", old: "d = min(d, minus(e.Due, now.mono))", new: "_ = e"},
	{file: "scheduler_due.go", old: "if keep > 1 {", new: "if keep > 2 {"},
	{file: "scheduler_due.go", old: "if t.active == nil && len(t.postponed) == 0 {", new: "if len(t.postponed) == 0 {"},
	{file: "scheduler_due.go", old: "t.postponed = append(t.postponed, r)\n", new: "\n"},
	{file: "scheduler_due.go", old: "\ts.goOn(c, t, now)\n}", new: "}"},
	{file: "scheduler_due.go", old: "\tt.runs++\n", new: ""},
	{file: "scheduler_loop.go", old: "\tdefer timer.Stop()\n", new: "\n"},
	{file: "scheduler.go", old: "do(t, c, now) })\n\ts.poke()\n", new: "do(t, c, now) })\n"},
	{file: "scheduler_ask.go", old: "case q != nil:", new: "case false:"},
	{file: "scheduler_loop.go", old: "total: uint64(n) + 1, newest", new: "total: uint64(n), newest"},

	// Rate limits.
	{file: "internal/core/limit.go", old: "\t\tl.spare = false\n", new: "\t\t_ = l\n"},
	{file: "internal/core/limit.go", old: "\tc.fail(l, false)\n", new: "\n"},
	{file: "internal/core/limit.go", old: "\t\tc.seatLimit(l)\n\t\tc.want(l)", new: "\t\tc.seatLimit(l)"},
	{file: "internal/core/limit.go", old: "!l.spare && !l.asking", new: "!l.asking"},
	{file: "internal/core/limit.go", old: "!l.used() && !l.asking", new: "!l.used()"},
	{file: "internal/core/limit.go", old: "!it.Queued() || it.Due != turn", new: "!it.Queued()"},
	{file: "internal/core/limit.go", old: "if !l.failing {", new: "if true {"},
	{file: "limiter.go", old: "\tt.stop()\n", new: ""},
	{file: "limiter.go", old: "guard.Go(func() { f.run(ErrGoexit) })", new: "_ = f"},

	// Groups and batches.
	{file: "internal/core/group.go", old: "!g.closed || g.open > 0 {", new: "!g.closed {"},
	{file: "internal/core/group.go", old: "case g.lost || c.sealed:", new: "case c.sealed:"},
	{file: "internal/core/group.go", old: "\t\tj.Group.lost = true\n", new: ""},
	{file: "internal/core/core.go", old: "v == Kept || v == Duplicate || v == Full", new: "v == Duplicate || v == Full"},
	{file: "group.go", old: "len(g.errs) < maxGroupErrs", new: "len(g.errs) <= maxGroupErrs"},
	{file: "batch.go", old: "m.room -= n", new: "_ = n"},
	{file: "batch.go", old: "err == nil {\n\t\t\t\taccepted++", new: "err == nil {"},
	{file: "batch.go", old: "first := m.list.Len() == 0", new: "first := false"},

	// Unique periods and deadlines.
	{file: "internal/core/unique.go", old: "Sum(j.EnqueuedAt, j.UniqueFor)", new: "j.UniqueFor"},
	{file: "internal/core/unique.go", old: "s.until > now", new: "s.until >= now"},
	{file: "internal/core/claim.go", old: "c.spent.remove(s.key)", new: "_ = s"},
	{file: "internal/core/failures.go", old: " && s.id != failed", new: ""},
	{file: "internal/core/deadline.go", old: "ok && t >= at", new: "ok && t > at"},
	{file: "internal/core/deadline.go", old: "(cause == NotCancelled || d < at)", new: "cause == NotCancelled"},
	{file: "internal/core/deadline.go", old: "c.expiries.Delete(sorted.Key{Major: int64(at), Minor: j.ID})", new: "_ = at"},
	{file: "internal/core/settle.go", old: "!c.replaced(j) && j.lateAt(Sum(now, res.Delay))", new: "!c.replaced(j) && j.lateAt(now)"},
	{file: "internal/core/settle.go", old: "cause = max(cause, Expired)", new: "cause = Expired"},
	{file: "internal/core/group.go", old: "s.More = g.offers.n > 0; s.More", new: "s.More = g.offers.n > 0; false"},

	// The clock of tiny jobs, and the lock they contend for.
	{file: "pace.go", old: "e.beating, e.strides = e.strides, false", new: "e.beating = e.strides"},
	{file: "pace.go", old: "\t\te.beats++\n", new: ""},
	{file: "pace.go", old: "min(2*p.length, longest)", new: "2 * p.length"},
	{file: "worker.go", old: "(due || w.pace.beats == e.beats) && ", new: ""},
	{file: "lock.go", old: "\tmu.Lock()\n}", new: "}", race: true},

	// The lists.
	{file: "internal/fifo/chunk.go", old: "m.id += uint64(o.head - m.from)", new: "_ = o"},
	{file: "internal/fifo/chunk.go", old: " && m.at == c.marks[last].at", new: ""},
	{file: "internal/fifo/chunk.go", old: "c.turn = c.marks[next].from", new: "_ = next"},
	{file: "internal/fifo/chunk.go", old: "e.ID != c.nextID || e.At != c.at", new: "e.ID != c.nextID"},
	{file: "internal/fifo/chunk.go", old: "m.at += base", new: "_ = base"},
	{file: "internal/fifo/chunk.go", old: "\t\tend = m.from\n", new: "\n"},
	{file: "internal/fifo/chunk.go", old: "\tc.holes += o.holes\n", new: "\n"},
	{file: "internal/agenda/agenda.go", old: "i >= 0; i--", new: "i > 0; i--"},
	{file: "internal/agenda/agenda.go", old: "x.Due == y.Due && x.Item.Before(y.Item)", new: "false"},
	{file: "scheduler_task.go", old: "e.Item.stale = false", new: "_ = e"},
	{file: "scheduler_task.go", old: "n <= sweepAlways || n > tt.armed+tt.armed/2", new: "n < 0"},

	// Clocks that are set, and zones.
	{file: "scheduler_clock.go", old: "if by > 0 {", new: "if true {"},
	{file: "scheduler_clock.go", old: "return !once && (by", new: "return (once || !once) && (by"},
	{file: "scheduler_clock.go", old: "by < -repeatWindow-jumpTolerance", new: "by < 0"},
	{file: "scheduler_clock.go", old: "s.grace = slept", new: "_ = slept"},
	{file: "scheduler_clock.go", old: "\t\td = min(d, watchInterval)\n", new: "\n"},
	{file: "scheduler_clock.go", old: "if e.Due < math.MaxInt64 {", new: "if true {"},
	{file: "internal/calendar/zone.go", old: "ok && z.DST&RepeatFold == 0 && high.After(shown)", new: "ok && high.After(shown)"},
	{file: "internal/calendar/zone.go", old: "gap && z.DST&SkipGap == 0", new: "gap"},
	{file: "internal/calendar/zone.go", old: "if !end.After(t) {", new: "if false {"},
	{file: "internal/calendar/zone.go", old: "far.After(t) && z.unrepeatable(from, t)", new: "far.After(t)"},
	{file: "internal/calendar/calendar.go", old: "trusted || dst&RepeatFold != 0 || !repeated", new: "trusted || !repeated"},
	{file: "scheduler_lock.go", old: "thrown := guarded(unlock); thrown != nil", new: "thrown := guarded(func() {}); thrown != nil"},
}
