// Quickstart shows a whole life of a job queue on real input: it reads mails,
// webhooks and generic jobs from a JSON-lines file, delivers them over SMTP and
// HTTP to receivers that it starts itself on loopback, and prints the books.
//
//	go run ./examples/quickstart
//
// Ctrl-C or SIGTERM shuts it down gracefully, the second one at once.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// config is what the flags set.
type config struct {
	jobs    string        // JSON-lines file; "" for the one that ships with the program
	workers int           // jobs that run at once
	pace    time.Duration // between two lines
	latency time.Duration // of the receivers, per delivery
	backoff time.Duration // before the first retry, doubling
	live    time.Duration // between two lines of statistics
	least   time.Duration // keep serving for at least that long
	grace   time.Duration // for jobs to finish after the first signal
	log     *slog.Logger
	out     io.Writer
}

func main() {
	cfg := config{log: slog.New(plainHandler(os.Stderr)), out: os.Stdout}
	flag.StringVar(&cfg.jobs, "jobs", "", "JSON-lines `file` to read instead of the built-in one")
	flag.IntVar(&cfg.workers, "workers", 4, "jobs that run at once")
	flag.DurationVar(&cfg.pace, "pace", 25*time.Millisecond, "time between two lines")
	flag.DurationVar(&cfg.latency, "latency", 50*time.Millisecond, "time a receiver takes per delivery")
	flag.DurationVar(&cfg.backoff, "backoff", 200*time.Millisecond, "upper bound of the first retry's delay, doubling")
	flag.DurationVar(&cfg.live, "live", 250*time.Millisecond, "time between two lines of statistics")
	flag.DurationVar(&cfg.least, "for", 3*time.Second, "keep serving for at least that long")
	flag.DurationVar(&cfg.grace, "grace", 5*time.Second, "time for jobs to finish after Ctrl-C")
	flag.Parse()

	ctx, stop := notifyContext()
	err := run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run is the program: serve until the input is done or ctx ends, shut down,
// settle up. It fails when the books do not match what the receivers saw.
func run(ctx context.Context, cfg config) error {
	s, err := newService(cfg)
	if err != nil {
		return err
	}
	defer s.close()

	if err := s.serve(ctx); err != nil {
		return err
	}
	sum := s.summary(s.shutdown(context.Cause(ctx)))
	fmt.Fprint(cfg.out, sum)
	return sum.check()
}

func notifyContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// plainHandler logs without the time, which the live statistics show already.
func plainHandler(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	})
}
