package dray

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
)

const (
	// alarmInterval is how often at most a log says that jobs are lost for want of room.
	alarmInterval = time.Second

	// routineInterval is the same for what a policy is meant to do: a busy debounce
	// replaces jobs all day long.
	routineInterval = time.Minute
)

// A logger writes the events that an operator should know of to a log: see
// [WithLogger]. It is an observer, so its fields need no lock.
type logger struct {
	*slog.Logger
	wake    func() // has it told logDue
	tallies [tallies]tally
	timer   *time.Timer        // calls wake; nil before the first time
	wakeAt  time.Time          // when it does so; zero if not at all
	asked   *guard.Call[*note] // the last error of a child
	stopped bool               // the books are closed: nothing is put off any more
}

// A tally is the jobs of one topic, which are logged as numbers. The first is logged at
// once, what follows when the interval is over, or at the end of the queue: the
// numbers in the log add up to those in the books.
type tally struct {
	topic
	count  uint64    // not logged so far
	total  uint64    // counted ever
	logged time.Time // when the last record was made
}

type topic struct {
	level    slog.Level
	message  string
	reason   string // empty where the message says it
	interval time.Duration
}

const (
	rejectedFull = iota
	rejectedDuplicate
	rejectedGroup
	evictedForRoom
	evictedReplaced
	tallies
)

var topics = [tallies]topic{
	rejectedFull:      {slog.LevelWarn, "jobs rejected", "queue full", alarmInterval},
	rejectedDuplicate: {slog.LevelInfo, "jobs rejected", "duplicate", routineInterval},
	rejectedGroup:     {slog.LevelInfo, "jobs rejected", "group done", routineInterval},
	evictedForRoom:    {slog.LevelWarn, "jobs evicted", "", alarmInterval},
	evictedReplaced:   {slog.LevelInfo, "jobs replaced", "", routineInterval},
}

// logTo returns the observer behind WithLogger. The name is in every record.
func logTo(to *slog.Logger, name string, wake func()) Observer {
	l := &logger{wake: wake}
	for i := range l.tallies {
		l.tallies[i].topic = topics[i]
	}
	return func(ev Event) {
		if l.Logger == nil {
			l.Logger = to.With("dray", name) // here, as it calls the handler
		}
		l.observe(ev)
	}
}

func (l *logger) observe(e Event) {
	switch e.Kind {
	case JobFailed:
		l.Error("job failed", append(jobAttrs(e), errAttrs(e.Err, e.note)...)...)
	case JobRetrying:
		l.Warn("attempt failed", append(append(jobAttrs(e), "next", e.Job.RunAt), errAttrs(e.Err, e.note)...)...)
	case JobStuck:
		l.Warn("job ignores its cancelled context", append(jobAttrs(e), "cause", e.Err, "stack", string(e.Stack))...)
	case JobRejected:
		l.count(rejection(e.Err))
	case JobEvicted:
		l.count(eviction(e.Err))
	case logDue:
		l.wakeAt = time.Time{}
		l.writeDue(time.Now())
	case EventsDropped:
		l.Warn("events dropped", "count", e.Count, "too_slow", e.Name)
	case RateLimitFailed:
		l.Error("rate limiter failed", errAttrs(e.Err, e.note)...)
	case TaskSkipped:
		l.skipped(e)
	case ClockJumped:
		l.Warn("wall clock was set, or the machine slept", "by", e.By)
	default:
		l.lifecycle(e)
	}
}

// lifecycle writes what happens to the queue and its children.
func (l *logger) lifecycle(e Event) {
	switch e.Kind {
	case ChildFailed:
		l.Error("child failed", append([]any{"supervisor", e.Supervisor, "child", e.Name}, errAttrs(e.Err, l.ask(e.Err))...)...)
	case ChildStarted:
		if e.Restarts > 0 {
			l.Warn("child restarted", "supervisor", e.Supervisor, "child", e.Name, "restarts", e.Restarts)
		}
	case ChildAbandoned:
		l.Error("child does not stop", "supervisor", e.Supervisor, "child", e.Name, "waited", e.By)
	case SupervisorFailed:
		l.Error("supervisor failed", "supervisor", e.Supervisor, "error", said(l.ask(e.Err).text))
	case notReturned:
		l.Warn("user code has not returned", "error", e.Err)
	case QueueStarted:
		l.stopped = false
		l.Info("queue started", "workers", int(e.Count))
	case QueueStopped:
		l.end(e)
	}
}

// skipped writes that runs were skipped. Where another instance holds the lock,
// all is as it should be, in all instances but one, at each run.
func (l *logger) skipped(e Event) {
	if errors.Is(e.Err, ErrTimeout) {
		l.Error("schedule of periodic task does not return", "task", e.Name, "due", e.Due)
		return
	}
	level := slog.LevelWarn
	if errors.Is(e.Err, ErrLocked) {
		level = slog.LevelDebug
	}
	reason := errs.Text(e.Err)
	if e.Err == ErrCancelled { //nolint:errorlint // dray made it
		reason = "task unscheduled"
	}
	l.Log(context.Background(), level, "run of periodic task skipped",
		"task", e.Name, "due", e.Due, "reason", reason, "count", e.Count)
}

func rejection(why error) int {
	switch {
	case why == ErrDuplicate: //nolint:errorlint // dray made it
		return rejectedDuplicate
	case why == ErrGroupDone: //nolint:errorlint // dray made it
		return rejectedGroup
	default:
		return rejectedFull
	}
}

func eviction(why error) int {
	caused, ok := why.(*core.Caused)                             //nolint:errorlint // dray made it
	if why == ErrReplaced || ok && caused.Cause == ErrReplaced { //nolint:errorlint // as above
		return evictedReplaced
	}
	return evictedForRoom
}

// count counts one more job.
func (l *logger) count(tally int) {
	t, now := &l.tallies[tally], time.Now()
	t.count++
	t.total++
	l.writeOrPutOff(t, now)
}

// writeDue writes the tallies whose interval is over, and sees to the others.
func (l *logger) writeDue(now time.Time) {
	for i := range l.tallies {
		l.writeOrPutOff(&l.tallies[i], now)
	}
}

func (l *logger) writeOrPutOff(t *tally, now time.Time) {
	switch due := t.logged.Add(t.interval); {
	case t.count == 0:
	case l.stopped || !now.Before(due):
		l.write(t, now)
	case l.wakeAt.IsZero() || due.Before(l.wakeAt):
		l.wakeAt = due
		if l.timer == nil {
			l.timer = time.AfterFunc(due.Sub(now), l.wake)
		} else {
			l.timer.Reset(due.Sub(now))
		}
	}
}

func (l *logger) write(t *tally, now time.Time) {
	attrs := []any{"count", t.count}
	if t.reason != "" {
		attrs = append(attrs, "reason", t.reason)
	}
	t.count, t.logged = 0, now // before the call of foreign code
	l.Log(context.Background(), t.level, t.message, attrs...)
}

// end writes what was put off, and the books.
func (l *logger) end(e Event) {
	l.stopped = !e.open
	if l.timer != nil {
		l.timer.Stop()
		l.wakeAt = time.Time{}
	}
	s := e.Stats
	l.reconcile("jobs rejected", s.Rejected, rejectedFull, rejectedDuplicate, rejectedGroup)
	l.reconcile("jobs evicted", s.Evicted, evictedForRoom, evictedReplaced)
	now := time.Now()
	for i := range l.tallies {
		if l.tallies[i].count > 0 {
			l.write(&l.tallies[i], now)
		}
	}
	level := slog.LevelInfo
	if e.Waiting+e.Interrupted+e.Abandoned > 0 {
		level = slog.LevelWarn
	}
	l.Log(context.Background(), level, "queue stopped",
		"enqueued", s.Enqueued, "processed", s.Processed, "failed", s.Failed, "cancelled", s.Cancelled,
		"evicted", s.Evicted, "rejected", s.Rejected,
		"waiting", e.Waiting, "interrupted", e.Interrupted, "abandoned", e.Abandoned)
}

// reconcile writes how many more jobs the books have than the log was told of, as
// events were dropped.
func (l *logger) reconcile(message string, books uint64, tallies ...int) {
	for _, i := range tallies {
		books -= l.tallies[i].total
	}
	if books > 0 {
		l.tallies[tallies[0]].total += books
		l.Warn(message, "count", books, "reason", "events dropped")
	}
}

func jobAttrs(e Event) []any {
	j := e.Job
	attrs := []any{"id", uint64(j.ID), "attempt", j.Attempt}
	for _, a := range [...]struct{ key, value string }{{"kind", j.Kind}, {"label", j.Label}, {"key", j.Key}, {"task", e.task}} {
		if a.value != "" {
			attrs = append(attrs, a.key, a.value)
		}
	}
	return attrs
}

// errAttrs is an error and, of a panic, where it happened and its stack. Without a
// note the error is one of dray's own, which can be asked.
func errAttrs(err error, about *note) []any {
	if about == nil {
		about = &note{err.Error(), panicIn(err)}
	}
	attrs := []any{"error", said(withCause(about.text, err))}
	p := about.panic
	if p == nil {
		return attrs
	}
	if at := p.place(); at != "" {
		attrs = append(attrs, "panicked_at", at)
	}
	return append(attrs, "stack", string(p.Stack))
}

// ask looks at the error of a child, which was not looked at, as a child that fails
// is not to wait for it. So it is done aside; one that does not answer within askPatience
// holds up the log for that long, and no other is asked until it does.
func (l *logger) ask(err error) *note {
	if l.asked == nil || l.asked.Over() {
		l.asked = guard.Begin(func() *note { f, _ := inspect(err); return &f.note })
		if n, ok := l.asked.Wait(); ok {
			return n
		}
	}
	return &note{text: fmt.Sprintf("%T (its Error does not return)", err)}
}

// said is an error as handlers get it: with the text that the error had when a worker
// looked at it. Its methods are user code, and would be called for all records on the
// one goroutine of the log.
type said string

func (s said) Error() string { return string(s) }

// withCause adds to the text of a job's error what the core has added to the error:
// what had ended the job's context.
func withCause(text string, err error) string {
	if c, ok := err.(*core.Caused); ok { //nolint:errorlint // an outermost one
		return c.Text(withCause(text, c.Err))
	}
	return text
}
