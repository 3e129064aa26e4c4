package dray

import (
	"context"
	"log/slog"
	"time"
)

// dropLogInterval is how often at most a log says that jobs are being dropped.
const dropLogInterval = time.Second

// A logger writes the events that somebody should know of to a log. It is an
// observer, so its fields need no lock.
type logger struct {
	*slog.Logger
	dropped  uint64    // rejected or evicted since the last record
	reported time.Time // when that was
}

// logTo returns the observer behind WithLogger. The name is in every record.
func logTo(l *slog.Logger, name string) Observer {
	return (&logger{Logger: l.With("dray", name)}).observe
}

func (l *logger) observe(ev Event) {
	switch e := ev.(type) {
	case JobFailed:
		l.Error("job failed", append(jobAttrs(e.Job), "error", e.Err)...)
	case JobRetrying:
		l.Warn("attempt failed", append(jobAttrs(e.Job), "error", e.Err, "next", e.Job.RunAt)...)
	case JobStuck:
		l.Warn("job ignores its cancelled context", append(jobAttrs(e.Job), "cause", e.Cause, "stack", string(e.Stack))...)
	case JobRejected:
		l.drop(e.Time)
	case JobEvicted:
		l.drop(e.Time)
	case EventsDropped:
		l.Warn("observers are too slow", "events_dropped", e.Count)
	case RateLimitFailed:
		l.Error("rate limiter failed", "error", e.Err)
	case TaskSkipped:
		l.Warn("run of periodic task skipped", "task", e.Task, "due", e.Due, "reason", e.Err, "count", e.Count)
	case ClockJumped:
		l.Warn("wall clock was set, or the machine slept", "by", e.By)
	case TaskEnded:
		if e.Err != nil {
			l.Error("run of periodic task failed", "task", e.Task, "error", e.Err)
		}
	default:
		l.lifecycle(ev)
	}
}

// lifecycle writes what happens to the queue and its children.
func (l *logger) lifecycle(ev Event) {
	switch e := ev.(type) {
	case ChildFailed:
		l.Error("child failed", "supervisor", e.Supervisor, "child", e.Child, "error", e.Err)
	case ChildStarted:
		if e.Restarts > 0 {
			l.Warn("child restarted", "supervisor", e.Supervisor, "child", e.Child, "restarts", e.Restarts)
		}
	case ChildAbandoned:
		l.Error("child does not stop", "supervisor", e.Supervisor, "child", e.Child, "waited", e.Waited)
	case SupervisorFailed:
		l.Error("supervisor failed", "supervisor", e.Supervisor, "error", e.Err)
	case QueueStarted:
		l.Info("queue started", "workers", e.Workers)
	case QueueStopped:
		l.stopped(e)
	}
}

// drop says, now and then, that jobs are being turned away.
func (l *logger) drop(at time.Time) {
	l.dropped++
	if at.Sub(l.reported) < dropLogInterval {
		return
	}
	l.Warn("queue full: jobs dropped", "count", l.dropped)
	l.dropped, l.reported = 0, at
}

// stopped writes the books.
func (l *logger) stopped(e QueueStopped) {
	level := slog.LevelInfo
	if e.Waiting+e.Interrupted+e.Abandoned > 0 {
		level = slog.LevelWarn
	}
	s := e.Stats
	l.Log(context.Background(), level, "queue stopped",
		"enqueued", s.Enqueued, "processed", s.Processed, "failed", s.Failed, "cancelled", s.Cancelled,
		"evicted", s.Evicted, "rejected", s.Rejected, "dropped_unreported", l.dropped,
		"waiting", e.Waiting, "interrupted", e.Interrupted, "abandoned", e.Abandoned)
}

func jobAttrs(j JobInfo) []any {
	attrs := []any{"id", uint64(j.ID), "attempt", j.Attempt}
	if j.Kind != "" {
		attrs = append(attrs, "kind", j.Kind)
	}
	if j.Label != "" {
		attrs = append(attrs, "label", j.Label)
	}
	return attrs
}
