// Graceful is an HTTP service that answers at once and works later. On SIGTERM
// or Ctrl-C it stops taking requests, finishes the accepted jobs within a
// deadline and logs what was left. A second signal does not wait.
//
//	go run ./examples/graceful
//	curl -d 'a parcel' http://localhost:8080/jobs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/a622d8ee/dray"
)

var (
	addr    = flag.String("addr", "localhost:8080", "address to listen on")
	workers = flag.Int("workers", 4, "jobs that run at once")
	work    = flag.Duration("work", time.Second, "time a job takes")
	grace   = flag.Duration("grace", 10*time.Second, "time for jobs to finish after the first signal")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		slog.Error("failed", "err", err)
		os.Exit(1)
	}
}

func run() error {
	running, stop := notifyContext()
	defer stop()
	queue, err := dray.New(dray.WithName("parcels"), dray.WithWorkers(*workers), dray.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: accept(queue), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := queue.Start(); err != nil {
		return err
	}
	slog.Info("listening", "addr", listener.Addr().String())

	select {
	case err = <-failed:
	case <-running.Done():
	}
	return errors.Join(err, shutdown(server, queue))
}

// accept answers 202 with the job's place in line, or 503 when there is no room.
func accept(queue *dray.Queue) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
		receipt, err := queue.EnqueueSync(r.Context(), deliver)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "job %v, position %d\n", receipt.ID, receipt.Position)
	})
	return mux
}

// deliver is a job that takes some time, and less if it is told to stop.
func deliver(ctx context.Context) error {
	job, _ := dray.JobFrom(ctx)
	slog.Info("delivering", "job", uint64(job.ID))
	select {
	case <-time.After(*work):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// shutdown goes the way of the data: first the requests end, then the jobs. After
// the grace period, or at the next signal, it cancels what is still running.
func shutdown(server *http.Server, queue *dray.Queue) error {
	again, stop := notifyContext()
	defer stop()
	ctx, cancel := context.WithTimeout(again, *grace)
	defer cancel()
	slog.Info("shutting down")

	served := server.Shutdown(ctx)
	report, drained := queue.Shutdown(ctx)
	slog.Info("shut down", "processed", queue.Stats().Processed, "waiting", len(report.Waiting),
		"interrupted", len(report.Interrupted), "abandoned", len(report.Abandoned))
	return errors.Join(served, drained)
}

func notifyContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}
