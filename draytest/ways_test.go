package draytest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// An inline queue runs the jobs of each call that enqueues some before that returns, and a kind's
// payloads are known by whichever of its calls they were enqueued.
func TestEveryWayToEnqueue(t *testing.T) {
	q := draytest.NewInline(t)
	ctx, ran := context.Background(), 0
	fn := func(context.Context) error { ran++; return nil }
	one := func(context.Context) (int, error) { ran++; return 1, nil }
	k, err := dray.Handle(q, "k", func(_ context.Context, _ string) error { ran++; return nil })
	require.NoError(t, err)
	require.NoError(t, q.Scheduler().Schedule("task", dray.Every(time.Hour), fn))
	group := func(end func(*dray.Group) error) error {
		g, err := dray.NewGroup(q, dray.WithCompletion(func(context.Context, error) error { ran++; return nil }))
		require.NoError(t, err)
		require.NoError(t, g.Enqueue(ctx, fn))
		return end(g)
	}
	fail := func() (id dray.ID) {
		r, err := q.EnqueueSync(ctx, func(context.Context) error {
			if ran++; ran%2 == 1 {
				return errBoom
			}
			return nil
		})
		require.NoError(t, err)
		return r.ID
	}
	for _, tc := range []struct {
		name string
		jobs int
		call func() error
	}{
		{"Enqueue", 1, func() error { return q.Enqueue(ctx, fn) }},
		{"EnqueueSync", 1, func() error { _, err := q.EnqueueSync(ctx, fn); return err }},
		{"EnqueueBatch", 3, func() error { _, err := q.EnqueueBatch(ctx, []dray.Func{fn, fn, fn}); return err }},
		{"Kind.Enqueue", 1, func() error { return k.Enqueue(ctx, "a") }},
		{"Kind.EnqueueSync", 1, func() error { _, err := k.EnqueueSync(ctx, "b"); return err }},
		{"Kind.EnqueueBatch", 2, func() error { _, err := k.EnqueueBatch(ctx, []string{"c", "d"}); return err }},
		{"Run", 1, func() error { _, err := dray.Run(ctx, q, one); return err }},
		{"Submit", 1, func() error { _, err := dray.Submit(ctx, q, one); return err }},
		{"Group.Close", 2, func() error { return group(func(g *dray.Group) error { g.Close(); return nil }) }},
		{"Group.Cancel", 2, func() error { return group(func(g *dray.Group) error { g.Cancel(); return nil }) }},
		{"Group.Wait", 2, func() error { return group(func(g *dray.Group) error { return g.Wait(ctx) }) }},
		{"Requeue", 2, func() error { return q.Requeue(fail()) }},
		{"RequeueAll", 2, func() error { fail(); _, err := q.RequeueAll(); return err }},
		{"Restore", 1, func() error { return q.Restore(dray.Report{Waiting: []dray.Leftover{{Func: fn}}}) }},
		{"RunNow", 1, func() error { return q.Scheduler().RunNow("task") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ran = 0
			require.NoError(t, tc.call())
			require.Equal(t, tc.jobs, ran)
			require.Zero(t, q.Stats().Pending)
		})
	}
	require.Equal(t, []string{"a", "b", "c", "d"}, draytest.Enqueued[string](t, q, "k"))
	// What a key keeps from being accepted is not among them.
	require.NoError(t, q.Pause())
	for range 2 {
		_, err := k.EnqueueBatch(ctx, []string{"e"}, dray.WithUnique("u", dray.KeepExisting))
		require.NoError(t, err)
	}
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, draytest.Enqueued[string](t, q, "k"))
	require.NoError(t, q.Resume())
}
