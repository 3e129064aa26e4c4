// Command soak keeps a queue at full load for as long as it is told, and draws what
// becomes of heap and goroutines:
//
//	go run ./internal/soak                    # 10 minutes, to soak.svg
//	go run ./internal/soak -for 1m -svg x.svg
//
// It ends with 1 if one of them grows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/a622d8ee/dray"
)

// A sample is the process at one moment, after a garbage collection.
type sample struct {
	heap       float64 // MiB that are in use
	goroutines float64
	settled    uint64
}

func main() {
	length := flag.Duration("for", 10*time.Minute, "how long")
	svg := flag.String("svg", "soak.svg", "where to draw it")
	flag.Parse()
	samples, err := soak(*length)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := os.WriteFile(*svg, draw(samples, *length), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	last := samples[len(samples)-1]
	say("\n%d jobs in %v, %.0f per second; see %s\n", last.settled, *length, float64(last.settled)/length.Seconds(), *svg)
	heap := grows(samples, func(s sample) float64 { return s.heap }, 2)
	goroutines := grows(samples, func(s sample) float64 { return s.goroutines }, 8)
	say("heap: %s; goroutines: %s\n", describe(heap), describe(goroutines))
	if heap || goroutines {
		os.Exit(1)
	}
}

// soak runs the load, and takes a hundred samples.
func soak(length time.Duration) ([]sample, error) {
	q, err := dray.New(dray.WithCapacity(1000), dray.WithOverflow(dray.Block),
		dray.WithPeriodic("tick", dray.Every(time.Millisecond), func(context.Context) error { return nil }))
	if err != nil {
		return nil, err
	}
	if err := q.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var producers sync.WaitGroup
	for i := range runtime.GOMAXPROCS(0) {
		producers.Go(func() { produce(ctx, q, i) })
	}
	const n = 100
	var samples []sample
	ticker := time.NewTicker(length / n)
	defer ticker.Stop()
	for len(samples) < n-1 {
		<-ticker.C
		samples = append(samples, take(q))
		fmt.Fprintf(os.Stderr, "\r%3d %%  %6.1f MiB  %3.0f goroutines  %d jobs ",
			len(samples)*100/n, samples[len(samples)-1].heap, samples[len(samples)-1].goroutines, samples[len(samples)-1].settled)
	}
	producers.Wait()
	_, err = q.Shutdown(context.Background())
	return samples, err
}

func take(q *dray.Queue) sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := q.Stats()
	return sample{float64(m.HeapAlloc) / (1 << 20), float64(runtime.NumGoroutine()), s.Processed + s.Failed + s.Cancelled}
}

var errBoom = errors.New("boom")

// produce enqueues jobs of every sort until ctx ends.
func produce(ctx context.Context, q *dray.Queue, seed int) {
	plain := func(context.Context) error { return nil }
	fails := func(context.Context) error { return errBoom }
	panics := func(context.Context) error { panic("boom") }
	for i := seed; ctx.Err() == nil; i++ {
		switch i % 1000 {
		case 0:
			_ = q.Enqueue(ctx, panics)
		case 1:
			_ = q.Enqueue(ctx, fails, dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Millisecond)))
		case 2:
			_ = q.Enqueue(ctx, plain, dray.WithDelay(time.Millisecond))
		case 3:
			_ = q.Enqueue(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, dray.WithTimeout(time.Millisecond))
		case 4:
			_, _ = dray.Run(ctx, q, func(context.Context) (int, error) { return i, nil })
		case 5:
			_ = q.Enqueue(ctx, plain, dray.WithKey("key"), dray.WithUnique("unique", dray.ReplacePending))
		default:
			_ = q.Enqueue(ctx, plain)
		}
	}
}

// grows compares the last third with the second: the first is for warming up.
func grows(samples []sample, of func(sample) float64, slack float64) bool {
	third := len(samples) / 3
	return mean(samples[2*third:], of) > mean(samples[third:2*third], of)*1.05+slack
}

func mean(samples []sample, of func(sample) float64) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += of(s)
	}
	return sum / float64(len(samples))
}

func describe(grows bool) string {
	if grows {
		return "GROWS"
	}
	return "flat"
}

func say(format string, args ...any) {
	fmt.Printf(format, args...) //nolint:forbidigo // a program
}
