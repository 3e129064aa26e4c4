package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/a622d8ee/dray"
)

// Lines of the input between which the queue is paused: what is read in the
// meantime waits.
const pauseAt, resumeAt = 30, 45

// service is the queue with everything around it.
type service struct {
	cfg    config
	began  time.Time
	queue  *dray.Queue
	emails *dray.Kind[Email]
	hooks  *dray.Kind[Webhook]
	sender *sender
	ledger ledger
	intake intake

	webhooks *webhookReceiver
	mailbox  *mailbox
}

// newService starts the receivers and builds the queue; serve starts it.
func newService(cfg config) (s *service, err error) {
	s = &service{cfg: cfg, began: time.Now()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.webhooks, err = listenWebhooks(cfg.latency); err != nil {
		return s, err
	}
	if s.mailbox, err = listenSMTP(cfg.latency); err != nil {
		return s, err
	}
	s.sender = newSender(s.mailbox.addr(), s.webhooks.url(), cfg.workers)
	if s.queue, err = s.newQueue(); err != nil {
		return s, err
	}
	return s, s.register()
}

func (s *service) newQueue() (*dray.Queue, error) {
	return dray.New(
		dray.WithName("quickstart"),
		dray.WithWorkers(s.cfg.workers),
		dray.WithCapacity(1000),
		dray.WithOverflow(dray.Block), // beyond that the reader waits, and no line is lost
		dray.WithLogger(s.cfg.log),
		dray.WithObserver(s.ledger.observe, dray.JobProcessed),
		dray.WithPeriodic("health", dray.Every(700*time.Millisecond), s.sender.checkHealth),
	)
}

// register adds what needs the queue: typed kinds, and a task that enqueues.
func (s *service) register() (err error) {
	retries := []dray.JobOption{
		dray.WithMaxAttempts(4),
		dray.WithBackoff(dray.Exponential(s.cfg.backoff, 10*s.cfg.backoff)),
		dray.WithTimeout(10 * time.Second),
	}
	if s.emails, err = dray.Handle(s.queue, "email", s.sender.sendMail, retries...); err != nil {
		return err
	}
	if s.hooks, err = dray.Handle(s.queue, "webhook", s.sender.callWebhook, retries...); err != nil {
		return err
	}
	return s.queue.Scheduler().Schedule("digest", dray.Every(time.Second), s.mailDigest)
}

// mailDigest is a periodic task: it enqueues a mail with the state of the queue.
func (s *service) mailDigest(ctx context.Context) error {
	st := s.queue.Stats()
	err := s.emails.Enqueue(ctx, Email{
		To:      "ops@example.com",
		Subject: fmt.Sprintf("Digest: %d processed, %d failed", st.Processed, st.Failed),
	})
	if errors.Is(err, dray.ErrClosed) {
		return nil // the last digest before the end is not worth an alarm
	}
	return err
}

// serve runs the queue until all input has settled or ctx ends.
func (s *service) serve(ctx context.Context) error {
	input, err := openJobs(s.cfg.jobs)
	if err != nil {
		return err
	}
	defer input.Close()
	if err := s.queue.Start(); err != nil {
		return err
	}
	// The reader has to end before the input is closed, hence the inner context.
	reading, stop := context.WithCancel(ctx)
	defer stop()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		s.feed(reading, input)
	}()
	s.watch(ctx, fed)
	stop()
	<-fed
	return nil
}

// feed enqueues line after line. A bad line is reported and skipped.
func (s *service) feed(ctx context.Context, input io.Reader) {
	defer func() { _ = s.queue.Resume() }() // should the input end while paused
	lines := 0
	for rec, err := range records(s.cfg.jobs, input) {
		if err == nil {
			err = s.enqueue(ctx, rec)
		}
		if ctx.Err() != nil {
			return
		}
		s.intake.count(s.cfg.log, err)
		s.pause(ctx, lines)
		lines++
		wait(ctx, s.cfg.pace)
	}
}

// enqueue hands one record to the queue: data for the typed kinds, a closure
// for the generic ones.
func (s *service) enqueue(ctx context.Context, rec record) (err error) {
	switch rec.Type {
	case "email":
		err = s.emails.Enqueue(ctx, rec.Email)
	case "webhook":
		err = s.hooks.Enqueue(ctx, rec.Webhook)
	case "generic":
		err = s.queue.Enqueue(ctx, rec.Generic.closure(), dray.WithLabel(rec.Generic.Handler))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", rec.source, err)
	}
	return nil
}

// pause pauses and resumes the queue at the appointed lines. Just before it
// resumes, an urgent job shows its place at the head of the waiting ones.
func (s *service) pause(ctx context.Context, line int) {
	switch line {
	case pauseAt:
		_ = s.queue.Pause()
	case resumeAt:
		urgent := Webhook{Path: "/alerts", Body: []byte(`{"alert":"the queue was paused"}`)}
		receipt, err := s.hooks.EnqueueSync(ctx, urgent, dray.WithPriority(dray.High))
		s.intake.count(s.cfg.log, err)
		if err == nil {
			fmt.Fprintf(s.cfg.out, "urgent: job %v is at position %d of %d\n",
				receipt.ID, receipt.Position, s.queue.Stats().Pending)
		}
		_ = s.queue.Resume()
	}
}

// watch prints statistics until the input is fed and settled, or ctx ends.
func (s *service) watch(ctx context.Context, fed <-chan struct{}) {
	ticks := time.NewTicker(s.cfg.live)
	defer ticks.Stop()
	for done := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-fed:
			fed, done = nil, true // a nil channel: this case is over
		case <-ticks.C:
			st := s.queue.Stats()
			printLive(s.cfg.out, time.Since(s.began), st)
			idle := st.Pending+st.Delayed+st.Retrying+st.Running == 0
			if done && idle && time.Since(s.began) >= s.cfg.least {
				return
			}
		}
	}
}

// shutdown lets jobs finish for as long as cfg.grace, or until the next signal;
// it cancels what runs after that. Its result is what was left.
func (s *service) shutdown(cause error) dray.Report {
	again, stop := notifyContext()
	defer stop()
	ctx, cancel := context.WithTimeout(again, s.cfg.grace)
	defer cancel()
	if cause != nil {
		fmt.Fprintf(s.cfg.out, "%v: shutting down\n", cause)
	}
	left, err := s.queue.Shutdown(ctx)
	if err != nil {
		fmt.Fprintln(s.cfg.out, "cut short:", err)
	}
	return left
}

// close ends what newService started. The queue has been shut down before,
// unless starting it failed.
func (s *service) close() {
	if s.queue != nil {
		_ = s.queue.Close()
	}
	if s.sender != nil {
		s.sender.client.CloseIdleConnections()
	}
	if s.mailbox != nil {
		s.mailbox.close()
	}
	if s.webhooks != nil {
		s.webhooks.close()
	}
}

// wait waits for d; it returns false when ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err() == nil
}
