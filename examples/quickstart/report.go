package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a622d8ee/dray"
)

// intake counts what became of the lines read.
type intake struct{ accepted, bad int }

// count notes one line, and logs what was wrong with it.
func (i *intake) count(log *slog.Logger, err error) {
	if err == nil {
		i.accepted++
		return
	}
	i.bad++
	log.Error("skipped", "line", err)
}

// ledger counts processed jobs by kind. It is an observer of the queue, for JobProcessed.
type ledger struct {
	mu        sync.Mutex
	processed map[string]int
}

func (l *ledger) observe(e dray.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.processed == nil {
		l.processed = map[string]int{}
	}
	l.processed[e.Job.Kind]++
}

func (l *ledger) count(kind string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.processed[kind]
}

func printLive(w io.Writer, since time.Duration, st dray.Stats) {
	state := ""
	if st.Paused {
		state = "  paused"
	}
	fmt.Fprintf(w, "%5.2fs  waiting %2d  running %d  retrying %2d  processed %3d  failed %2d  wait p50 %v%s\n",
		since.Seconds(), st.Pending, st.Running, st.Retrying, st.Processed, st.Failed, st.Wait.P50.Round(time.Microsecond), state)
}

// summary is what is known at the end, from both sides of the wire.
type summary struct {
	intake   intake
	stats    dray.Stats
	left     dray.Report
	failures []dray.Failure
	tasks    []dray.PeriodicInfo

	webhooks, emails deliveries
}

// deliveries compares the queue's books with a receiver's.
type deliveries struct {
	processed int // jobs that the queue counts as done
	accepted  int // deliveries that arrived, each counted once
	turned    int // attempts that the receiver turned down
}

// summary is called after the shutdown, when nothing changes any more.
func (s *service) summary(left dray.Report) summary {
	sum := summary{
		intake:   s.intake,
		stats:    s.queue.Stats(),
		left:     left,
		failures: s.queue.Failures(),
		tasks:    s.queue.Scheduler().Tasks(),
	}
	s.webhooks.mu.Lock()
	defer s.webhooks.mu.Unlock()
	accepted := len(s.webhooks.accepted)
	sum.webhooks = deliveries{s.ledger.count("webhook"), accepted, s.webhooks.requests - s.webhooks.repeated - accepted}

	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	sum.emails = deliveries{s.ledger.count("email"), len(s.mailbox.accepted), s.mailbox.refused + s.mailbox.deferred}
	return sum
}

// check compares all books. A job that the shutdown interrupted may have been
// delivered without the queue having learnt it.
func (s summary) check() error {
	st := s.stats
	settled := st.Processed + st.Failed + st.Cancelled + st.Evicted
	open := uint64(st.Pending + st.Delayed + st.Retrying + st.Running)
	unsure := len(s.left.Interrupted) + len(s.left.Abandoned)
	return errors.Join(
		expect("enqueued, settled and open jobs", st.Enqueued == settled+open),
		expect("open jobs and those handed back", int(open) == len(s.left.Waiting)+unsure),
		expect("webhooks sent and received", s.webhooks.match(unsure)),
		expect("mails sent and received", s.emails.match(unsure)),
	)
}

func (d deliveries) match(unsure int) bool {
	return d.accepted >= d.processed && d.accepted <= d.processed+unsure
}

func expect(what string, ok bool) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%s do not match", what)
}

// String is the text that the program ends with.
func (s summary) String() string {
	var w strings.Builder
	st := s.stats
	fmt.Fprintf(&w, "\ninput      %d jobs accepted, %d lines skipped\n", s.intake.accepted, s.intake.bad)
	fmt.Fprintf(&w, "books      enqueued %d = processed %d + failed %d + cancelled %d + evicted %d",
		st.Enqueued, st.Processed, st.Failed, st.Cancelled, st.Evicted)
	fmt.Fprintf(&w, " + pending %d + delayed %d + retrying %d + running %d\n", st.Pending, st.Delayed, st.Retrying, st.Running)
	fmt.Fprintf(&w, "           %d attempts retried, %d panicked\n", st.Retried, st.Panicked)
	for _, task := range s.tasks {
		fmt.Fprintf(&w, "task       %s ran %d times\n", task.Name, task.Runs)
	}
	fmt.Fprintf(&w, "webhooks   %v\nmails      %v\n", s.webhooks, s.emails)
	for _, f := range s.failures {
		fmt.Fprintf(&w, "failed     %s\n", describe(f.JobInfo))
	}
	fmt.Fprintf(&w, "left       %d waiting, %d interrupted, %d abandoned\n",
		len(s.left.Waiting), len(s.left.Interrupted), len(s.left.Abandoned))
	for _, l := range slices.Concat(s.left.Interrupted, s.left.Waiting) {
		fmt.Fprintf(&w, "           %s\n", describe(l.JobInfo))
	}
	return w.String()
}

func (d deliveries) String() string {
	return fmt.Sprintf("%d sent, %d arrived; the receiver turned %d attempts down", d.processed, d.accepted, d.turned)
}

func describe(job dray.JobInfo) string {
	text := fmt.Sprintf("job %v %s%s, attempt %d", job.ID, job.Kind, job.Label, job.Attempt)
	if job.LastError != nil {
		text += ": " + job.LastError.Error()
	}
	return text
}
