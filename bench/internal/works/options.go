package works

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/a622d8ee/dray"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// A variant is a plain job with something added: to the queue, or to the call.
type variant struct {
	name    string
	queue   []dray.Option
	prepare func(*dray.Queue) enqueuer // nil for Queue.Enqueue
}

// The variants that bars are about.
const (
	withLogger         = "WithLogger, level Info"
	observerOfFailures = "WithObserver, of failures"
	kindWithAll        = "Kind.Enqueue: attempts, backoff, timeout, label"
)

// An enqueuer enqueues fn as the i-th job.
type enqueuer func(fn dray.Func, i int) error

// options is work (h): what each option costs the job that has it.
func options(e *Env) Result {
	n := e.pick(200_000, 50_000, 200)
	var cs []contender
	for _, v := range variants(n) {
		cs = append(cs, contender{v.name, func() []float64 { return v.run(n) }})
	}
	s := e.measureAll("options", cs)
	t := report.Table{
		Title: "What each option costs",
		Note: "Time per no-op job, end to end with one producer and two workers, and how much more that is: the median " +
			"of the differences to a plain job, and of the ratios, within each round.",
		Header: []string{"", "per job", "more", "to a plain job", "allocations"},
	}
	var r Result
	for _, name := range s.names {
		r.AddRatio("options "+name, s.toBase(name, 0))
		r.value("options "+name, "", s.median(name, 0))
		t.Add(name, report.Ns(s.median(name, 0)), report.Ns(s.difference(name)), report.Ratio(s.toBase(name, 0)),
			report.Number(s.median(name, 1)))
	}
	r.AddRatio("options plain, allocations", s.median(s.base, 1))
	r.Tables = []report.Table{t}
	return r
}

func (v variant) run(n int) []float64 {
	p := &variantPool{DrayPool: peers.NewDray(2, v.queue...)}
	defer p.Close()
	if v.prepare == nil {
		v.prepare = plain
	}
	p.enqueue = v.prepare(p.Queue)
	endToEnd(p, 1, n/10)
	before := memory()
	took := endToEnd(p, 1, n)
	return []float64{perJob(took, n), float64((memory().Mallocs - before.Mallocs) / uint64(n))}
}

// A variantPool enqueues in the way of a variant.
type variantPool struct {
	*peers.DrayPool
	enqueue enqueuer
	i       int // by the one producer
}

// Enqueue implements [peers.Pool].
func (p *variantPool) Enqueue(j peers.Job, n int) {
	for range n {
		must(p.enqueue(j.Ctx, p.i))
		p.i++
	}
}

// must ends the program: what refuses work cannot be measured.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func plain(q *dray.Queue) enqueuer {
	return func(fn dray.Func, _ int) error { return q.Enqueue(context.Background(), fn) }
}

// variants returns all of them, the plain job first. Keys are made beforehand.
func variants(n int) []variant {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	pass := func(next dray.Handler) dray.Handler { return next }
	return append([]variant{
		{name: "plain"},
		{name: "WithoutLatency", queue: []dray.Option{dray.WithoutLatency()}},
		{name: "WithName", queue: []dray.Option{dray.WithName("bench")}},
		{name: "WithMiddleware, one that does nothing", queue: []dray.Option{dray.WithMiddleware(pass)}},
		{name: "WithObserver, of all events", queue: []dray.Option{dray.WithObserver(func(dray.Event) {})}},
		{name: withLogger, queue: []dray.Option{dray.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))}},
		{name: "WithMaxAttempts for the queue", queue: []dray.Option{dray.WithMaxAttempts(3)}},
		option("WithLabel", func(int) dray.JobOption { return dray.WithLabel("bench") }),
		option("WithPriority", func(int) dray.JobOption { return dray.WithPriority(dray.High) }),
		option("WithMaxAttempts", func(int) dray.JobOption { return dray.WithMaxAttempts(3) }),
		option("WithTimeout", func(int) dray.JobOption { return dray.WithTimeout(time.Minute) }),
		option("WithDelay, 100 µs", func(int) dray.JobOption { return dray.WithDelay(100 * time.Microsecond) }),
		option("WithKey, 16 keys", func(i int) dray.JobOption { return dray.WithKey(keys[i%min(16, n)]) }),
		option("WithKey, a key each", func(i int) dray.JobOption { return dray.WithKey(keys[i%n]) }),
		{name: "WithUnique, a key each", prepare: unique(keys)},
		{name: "EnqueueSync", prepare: enqueueSync},
		{name: "Submit", prepare: submit},
		{name: "Kind.Enqueue", prepare: kind()},
		{name: kindWithAll, prepare: kind(dray.WithMaxAttempts(3), dray.WithBackoff(dray.Exponential(time.Second, time.Minute)),
			dray.WithTimeout(time.Minute), dray.WithLabel("bench"))},
	}, newerVariants()...)
}

// option is a variant with one option at each call, made there as users do.
func option(name string, with func(i int) dray.JobOption) variant {
	return variant{name: name, prepare: func(q *dray.Queue) enqueuer {
		return func(fn dray.Func, i int) error { return q.Enqueue(context.Background(), fn, with(i)) }
	}}
}

// unique enqueues under a key of its own, so that no job is in another's way.
func unique(keys []string) func(*dray.Queue) enqueuer {
	return func(q *dray.Queue) enqueuer {
		return func(fn dray.Func, i int) error {
			return q.Enqueue(context.Background(), fn, dray.WithUnique(keys[i%len(keys)], dray.ReplacePending))
		}
	}
}

func enqueueSync(q *dray.Queue) enqueuer {
	return func(fn dray.Func, _ int) error {
		_, err := q.EnqueueSync(context.Background(), fn)
		return err
	}
}

func submit(q *dray.Queue) enqueuer {
	return func(fn dray.Func, _ int) error {
		_, err := dray.Submit(context.Background(), q, func(ctx context.Context) (int, error) { return 1, fn(ctx) })
		return err
	}
}

// kind enqueues jobs of a kind with these defaults.
func kind(opts ...dray.JobOption) func(*dray.Queue) enqueuer {
	return func(q *dray.Queue) enqueuer {
		k, err := dray.Handle(q, "bench", func(ctx context.Context, fn dray.Func) error { return fn(ctx) }, opts...)
		must(err)
		return func(fn dray.Func, _ int) error { return k.Enqueue(context.Background(), fn) }
	}
}
