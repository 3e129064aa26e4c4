package memory_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A scene is one queue, and one way for a job of it to end.
type scene struct {
	trap
	t       *testing.T
	name    string
	q       *dray.Queue
	act     func(ctx context.Context, sc *scene) error // what the watched job does
	hold    chan struct{}                              // what blocker and some jobs wait for; closed at the end
	runs    atomic.Int32                               // attempts of the watched job
	tasks   []*dray.Task[*probe]                       // kept
	kinds   []*dray.Kind[*probe]                       // kept, as long as the queue
	groups  []*dray.Group                              // as kinds
	cancel  context.CancelFunc                         // of the enqueueing call
	refused error                                      // what that has returned
}

func newScene(t *testing.T, name string, opts ...dray.Option) *scene {
	t.Helper()
	q, err := dray.New(append([]dray.Option{dray.WithWorkers(1), dray.WithFailuresKept(0)}, opts...)...)
	require.NoError(t, err, name)
	require.NoError(t, q.Start(), name)
	return &scene{t: t, name: name, q: q, hold: make(chan struct{})}
}

// block has a job occupy the one worker until the end of the scene.
func (sc *scene) block(opts ...dray.JobOption) {
	sc.put("blocker", func(ctx context.Context) error {
		select {
		case <-sc.hold:
		case <-ctx.Done():
		}
		return nil
	}, opts...)
}

// fill has a job wait that nobody watches.
func (sc *scene) fill(opts ...dray.JobOption) {
	sc.put("filler", func(context.Context) error { return nil }, opts...)
}

func (sc *scene) put(label string, fn dray.Func, opts ...dray.JobOption) {
	opts = append(opts, dray.WithLabel(label))
	require.NoError(sc.t, sc.q.Enqueue(context.Background(), fn, opts...), sc.name)
	synctest.Wait()
}

// fn is the watched job.
func (sc *scene) fn() dray.Func {
	p := sc.watch("function")
	return func(ctx context.Context) error {
		defer runtime.KeepAlive(p)
		sc.runs.Add(1)
		return sc.act(ctx, sc)
	}
}

// err is what the watched job returns.
func (sc *scene) err() error { return failure{sc.watch(errorOf(sc.runs.Load()))} }

func errorOf(attempt int32) string { return fmt.Sprint("error of attempt ", attempt) }

// contract returns what those that the user keeps may keep: the last error.
func (sc *scene) contract() []string {
	if len(sc.tasks)+len(sc.groups) == 0 {
		return nil
	}
	return []string{errorOf(sc.runs.Load())}
}

// watched yields the jobs of the scene that have not settled, other than the blocker.
func (sc *scene) watched() (ids []dray.ID) {
	for j := range sc.q.Jobs() {
		if j.Label != "blocker" && j.Label != "filler" {
			ids = append(ids, j.ID)
		}
	}
	return ids
}

// cancelAll cancels them.
func (sc *scene) cancelAll() {
	for _, id := range sc.watched() {
		require.NoError(sc.t, sc.q.Cancel(id), sc.name)
	}
}

// release lets everything run that has not, and completes the groups.
func (sc *scene) release() {
	close(sc.hold)
	for _, g := range sc.groups {
		g.Close()
	}
	if sc.q != nil {
		_ = sc.q.Resume() // refused by a closed one
	}
	sc.pass(3 * time.Hour)
}

// pass lets time pass.
func (sc *scene) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// end closes the queue.
func (sc *scene) end() {
	if sc.q != nil {
		_ = sc.q.Close() // the scene may have shut it down with a context that had ended
	}
}

// A way is how the watched job gets into the queue.
type way struct {
	name string
	put  func(ctx context.Context, sc *scene, opts []dray.JobOption) error
}

func ways() []way {
	return []way{
		{"Enqueue", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			return sc.q.Enqueue(ctx, sc.fn(), opts...)
		}},
		{"EnqueueSync", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			_, err := sc.q.EnqueueSync(ctx, sc.fn(), opts...)
			return err
		}},
		{"EnqueueBatch", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			_, err := sc.q.EnqueueBatch(ctx, []dray.Func{sc.fn()}, opts...)
			return err
		}},
		{"Kind", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			return sc.kind().Enqueue(ctx, sc.watch("payload"), opts...)
		}},
		{"Kind batch", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			_, err := sc.kind().EnqueueBatch(ctx, []*probe{sc.watch("payload")}, opts...)
			return err
		}},
		{"Submit, handle dropped", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			_, err := dray.Submit(ctx, sc.q, sc.function("result"), opts...)
			return err
		}},
		{"Submit, handle kept", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			task, err := dray.Submit(ctx, sc.q, sc.function(""), opts...)
			if err == nil {
				sc.tasks = append(sc.tasks, task)
			}
			return err
		}},
		{"Run", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			_, _ = dray.Run(ctx, sc.q, sc.function("result"), opts...) // its error may be the job's
			return nil
		}},
		{"Group.Enqueue", func(ctx context.Context, sc *scene, opts []dray.JobOption) error {
			return sc.group().Enqueue(ctx, sc.fn(), opts...)
		}},
	}
}

// kind registers a kind, whose handler stays.
func (sc *scene) kind() *dray.Kind[*probe] {
	k, err := dray.Handle(sc.q, fmt.Sprint("kind", len(sc.kinds)), func(ctx context.Context, _ *probe) error {
		sc.runs.Add(1)
		return sc.act(ctx, sc)
	})
	require.NoError(sc.t, err, sc.name)
	sc.kinds = append(sc.kinds, k)
	return k
}

// group makes a group that is kept, with a completion job.
func (sc *scene) group() *dray.Group {
	done := sc.watch("completion")
	g, err := dray.NewGroup(sc.q, dray.WithCompletion(func(context.Context, error) error { runtime.KeepAlive(done); return nil }))
	require.NoError(sc.t, err, sc.name)
	sc.groups = append(sc.groups, g)
	return g
}

// function is the watched job with a result, which is a probe if it is given a name.
func (sc *scene) function(result string) func(context.Context) (*probe, error) {
	fn := sc.fn()
	return func(ctx context.Context) (*probe, error) {
		err := fn(ctx)
		if result == "" {
			return nil, err
		}
		return sc.watch(result), err
	}
}

// enqueue has the watched job enqueued by a goroutine of its own, with a context that
// has a value and has ended by the time it is looked for.
func (sc *scene) enqueue(w way, opts []dray.JobOption) (err error) {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), probe{}, sc.watch("context value")))
	sc.cancel = cancel
	done := make(chan error, 1)
	go func() { done <- w.put(ctx, sc, opts) }()
	synctest.Wait()
	select {
	case err = <-done:
	default: // it waits for room
	}
	time.Sleep(time.Millisecond)
	return err
}
