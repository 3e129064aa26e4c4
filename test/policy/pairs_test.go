package policy_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A trait is an option with what can be seen of it in any combination.
type trait struct {
	name  string
	opt   func(p *pair) dray.JobOption
	delay time.Duration // before which the job does not start
}

// A pair is a job with two options in a queue of its own.
type pair struct {
	t      *testing.T
	q      *dray.Queue
	group  *dray.Group
	inside kit.Record[string] // what the middleware saw
}

var traits = []trait{
	{"label", func(*pair) dray.JobOption { return dray.WithLabel("l") }, 0},
	{"timeout", func(*pair) dray.JobOption { return dray.WithTimeout(10 * time.Second) }, 0},
	{"deadline", func(*pair) dray.JobOption { return dray.WithDeadline(30 * time.Second) }, 0},
	{"attempts", func(*pair) dray.JobOption { return dray.WithMaxAttempts(3) }, 0},
	{"backoff", func(*pair) dray.JobOption { return dray.WithBackoff(dray.Constant(time.Second)) }, 0},
	{"delay", func(*pair) dray.JobOption { return dray.WithDelay(5 * time.Second) }, 5 * time.Second},
	{"long delay", func(*pair) dray.JobOption { return dray.WithDelay(40 * time.Second) }, 40 * time.Second},
	{"run at", func(*pair) dray.JobOption { return dray.WithRunAt(time.Now().Add(6 * time.Second)) }, 6 * time.Second},
	{"late run at", func(*pair) dray.JobOption { return dray.WithRunAt(time.Now().Add(50 * time.Second)) }, 50 * time.Second},
	{"key", func(*pair) dray.JobOption { return dray.WithKey("k") }, 0},
	{"key limit", func(*pair) dray.JobOption { return dray.WithKeyLimit(2) }, 0},
	{"keep", func(*pair) dray.JobOption { return dray.WithUnique("u", dray.KeepExisting) }, 0},
	{"replace", func(*pair) dray.JobOption { return dray.WithUnique("u", dray.ReplacePending) }, 0},
	{"reject", func(*pair) dray.JobOption { return dray.WithUnique("u", dray.RejectDuplicate) }, 0},
	{"period", func(*pair) dray.JobOption { return dray.WithUniquePeriod(time.Hour) }, 0},
	{"high", func(*pair) dray.JobOption { return dray.WithPriority(dray.High) }, 0},
	{"low", func(*pair) dray.JobOption { return dray.WithPriority(dray.Low) }, 0},
	{"limit", func(*pair) dray.JobOption { return dray.WithRateLimit(&bucket{interval: time.Second, burst: 1}) }, 0},
	{"middleware", func(p *pair) dray.JobOption { return dray.WithMiddleware(tracer(&p.inside, "m")) }, 0},
	{"values", func(*pair) dray.JobOption { return dray.WithContextValues() }, 0},
	{"group", func(p *pair) dray.JobOption { return dray.WithGroup(p.group) }, 0},
}

// senseless says why two options make no sense together; empty if they do.
func senseless(a, b string) string {
	why := map[[2]string]string{
		{"deadline", "long delay"}:  "not before WithDeadline(30s)",
		{"deadline", "late run at"}: "not before WithDeadline(30s)",
		{"replace", "period"}:       "what has settled cannot be replaced",
	}
	if w := why[[2]string{a, b}]; w != "" {
		return w
	}
	return why[[2]string{b, a}]
}

// TestPairsOfOptions: each pair, in both orders, is either an error that says why,
// or the job has what each of the two gives it. The job returns an error each time.
func TestPairsOfOptions(t *testing.T) {
	for _, a := range traits {
		for _, b := range traits {
			if a.name != b.name {
				kit.Bubble(t, a.name+"+"+b.name, func(t *testing.T) { tryPair(t, a, b) })
			}
		}
	}
}

func tryPair(t *testing.T, a, b trait) {
	q := kit.Start(t, dray.WithWorkers(1), dray.WithBackoff(dray.Constant(0)))
	p := &pair{t: t, q: q, group: group(t, q)}
	has := func(name string) bool { return a.name == name || b.name == name && name != "" }
	begin := time.Now()
	var starts kit.Record[time.Duration]
	var infos kit.Record[dray.JobInfo]
	run := func(ctx context.Context) error {
		starts.Add(time.Since(begin))
		info, _ := dray.JobFrom(ctx)
		infos.Add(info)
		until, ok := ctx.Deadline()
		require.Equal(t, has("timeout") || has("deadline"), ok)
		if has("timeout") {
			require.False(t, until.After(time.Now().Add(10*time.Second)))
		}
		require.Equal(t, has("values"), ctx.Value(ctxKey("x")) != nil)
		return kit.ErrBoom
	}
	ctx := context.WithValue(t.Context(), ctxKey("x"), 1)
	require.NoError(t, q.Pause())
	r, err := q.EnqueueSync(ctx, run, a.opt(p), b.opt(p))
	if why := senseless(a.name, b.name); why != "" {
		require.ErrorContains(t, err, why)
		require.Zero(t, q.Stats().Enqueued+q.Stats().Rejected)
		return
	}
	require.NoError(t, err)
	delay := a.delay // WithDelay and WithRunAt replace each other
	if b.delay > 0 {
		delay = b.delay
	}
	require.Equal(t, delay == 0, r.Position == 1)
	p.collisions(has)
	require.NoError(t, q.Resume())
	kit.Elapse(2 * time.Hour)
	require.NotEmpty(t, starts.All())
	require.Equal(t, delay, starts.All()[0])
	attempts := 1
	if has("attempts") {
		attempts = 3
	}
	require.Len(t, starts.All(), attempts)
	if has("backoff") && has("attempts") {
		require.Equal(t, delay+2*time.Second, starts.All()[2])
	}
	info := infos.All()[0]
	require.Equal(t, has("label"), info.Label == "l")
	require.Equal(t, has("key"), info.Key == "k")
	require.Equal(t, has("high"), info.Priority == dray.High && b.name != "low" || has("high") && b.name == "low")
	require.Equal(t, has("middleware"), len(p.inside.All()) > 0)
	require.Equal(t, has("group"), p.group.Wait(t.Context()) != nil)
	require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
}

// collisions offers another job with the same unique key, if there is one, while
// the first has not settled.
func (p *pair) collisions(has func(string) bool) {
	if has("keep") || has("reject") {
		want := dray.ErrDuplicate
		require.ErrorIs(p.t, p.q.Enqueue(p.t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), want)
	}
}

// TestPrecedence: the call's option wins over the kind's, and that over the queue's.
func TestPrecedence(t *testing.T) {
	type see struct {
		info  func(dray.JobInfo) any
		level [3]dray.JobOption // of queue, kind and call
		want  [3]any
	}
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	runAt := func(n int) dray.JobOption { return dray.WithRunAt(time.Date(2000, 1, 1, 0, 0, n, 0, time.UTC)) }
	for name, s := range map[string]see{
		"label": {func(i dray.JobInfo) any { return i.Label },
			[3]dray.JobOption{dray.WithLabel("1"), dray.WithLabel("2"), dray.WithLabel("3")}, [3]any{"1", "2", "3"}},
		"key": {func(i dray.JobInfo) any { return i.Key },
			[3]dray.JobOption{dray.WithKey("1"), dray.WithKey("2"), dray.WithKey("3")}, [3]any{"1", "2", "3"}},
		"priority": {func(i dray.JobInfo) any { return i.Priority },
			[3]dray.JobOption{dray.WithPriority(dray.High), dray.WithPriority(dray.Normal), dray.WithPriority(dray.Low)},
			[3]any{dray.High, dray.Normal, dray.Low}},
		"delay": {func(i dray.JobInfo) any { return i.RunAt.Sub(i.EnqueuedAt) },
			[3]dray.JobOption{dray.WithDelay(second(1)), dray.WithDelay(second(2)), dray.WithDelay(second(3))},
			[3]any{second(1), second(2), second(3)}},
		"run at": {func(i dray.JobInfo) any { return i.RunAt.UTC().Second() },
			[3]dray.JobOption{runAt(1), runAt(2), runAt(3)}, [3]any{1, 2, 3}},
	} {
		for top := range 3 {
			kit.Bubble(t, fmt.Sprint(name, top), func(t *testing.T) {
				q := kit.Paused(t, s.level[0])
				level := func(i int) (opts []dray.JobOption) {
					if i <= top {
						opts = append(opts, s.level[i])
					}
					return opts
				}
				k, err := dray.Handle(q, "k", func(context.Context, int) error { return nil }, level(1)...)
				require.NoError(t, err)
				require.NoError(t, k.Enqueue(t.Context(), 1, level(2)...))
				for i := range q.Jobs() {
					require.Equal(t, s.want[top], s.info(i))
				}
			})
		}
	}
}

// Those options whose effect is to be seen only when the job runs.
func TestPrecedenceOfWhatRuns(t *testing.T) {
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	level := func(f func(n int) dray.JobOption) [3]dray.JobOption { return [3]dray.JobOption{f(1), f(2), f(3)} }
	until := func(n int) dray.JobOption { return dray.WithTimeout(second(n)) }
	for name, s := range map[string]struct {
		level [3]dray.JobOption
		also  []dray.JobOption
		end   [3]time.Duration // when the job has settled
	}{
		"timeout":  {level(until), nil, [3]time.Duration{second(1), second(2), second(3)}},
		"deadline": {level(func(n int) dray.JobOption { return dray.WithDeadline(second(n)) }), nil, [3]time.Duration{second(1), second(2), second(3)}},
		"attempts": {level(dray.WithMaxAttempts), []dray.JobOption{until(1), dray.WithBackoff(dray.Constant(0))},
			[3]time.Duration{second(1), second(2), second(3)}},
		"backoff": {level(func(n int) dray.JobOption { return dray.WithBackoff(dray.Constant(second(n))) }),
			[]dray.JobOption{until(1), dray.WithMaxAttempts(2)}, [3]time.Duration{second(3), second(4), second(5)}},
	} {
		for top := range 3 {
			kit.Bubble(t, fmt.Sprint(name, top), func(t *testing.T) {
				q := kit.Start(t, s.level[0])
				level := func(i int) (opts []dray.JobOption) {
					if i <= top {
						opts = append(opts, s.level[i])
					}
					return opts
				}
				k, err := dray.Handle(q, "k", func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }, level(1)...)
				require.NoError(t, err)
				require.NoError(t, k.Enqueue(t.Context(), 1, append(level(2), s.also...)...))
				kit.Elapse(s.end[top] - 1)
				require.Zero(t, kit.Balanced(t, q).Failed)
				kit.Elapse(1)
				require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
			})
		}
	}
}

// Unique keys, their policies and periods, and the limit of a key, by level.
func TestPrecedenceOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(8), dray.WithKey("k"), dray.WithKeyLimit(1), dray.WithUniquePeriod(time.Hour))
		k, err := dray.Handle(q, "k", func(context.Context, int) error { time.Sleep(time.Second); return nil }, dray.WithKeyLimit(2))
		require.NoError(t, err)
		for range 6 {
			require.NoError(t, k.Enqueue(t.Context(), 0))
		}
		synctest.Wait()
		require.Equal(t, 2, kit.Balanced(t, q).Running)
		for range 3 {
			require.NoError(t, k.Enqueue(t.Context(), 0, dray.WithKey("other"), dray.WithKeyLimit(3)))
		}
		synctest.Wait()
		require.Equal(t, 5, kit.Balanced(t, q).Running)
		kit.Elapse(time.Minute)
		u, err := dray.Handle(q, "u", func(context.Context, int) error { return nil },
			dray.WithUnique("u", dray.RejectDuplicate), dray.WithUniquePeriod(time.Minute))
		require.NoError(t, err)
		require.NoError(t, u.Enqueue(t.Context(), 1))
		synctest.Wait()
		require.NoError(t, u.Enqueue(t.Context(), 1, dray.WithUnique("u", dray.KeepExisting)))
		require.ErrorIs(t, u.Enqueue(t.Context(), 1), dray.ErrDuplicate)
		require.NoError(t, u.Enqueue(t.Context(), 1, dray.WithUnique("v", dray.RejectDuplicate), dray.WithUniquePeriod(0)))
		synctest.Wait()
		require.NoError(t, u.Enqueue(t.Context(), 1, dray.WithUnique("v", dray.RejectDuplicate)))
		kit.Elapse(time.Minute)
		require.NoError(t, u.Enqueue(t.Context(), 1))
	})
}

// More options than two that make no sense.
func TestSenselessCombinations(t *testing.T) {
	q := kit.Paused(t)
	unique := dray.WithUnique("u", dray.KeepExisting)
	n, err := q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop, kit.Nop}, unique)
	require.ErrorContains(t, err, "batch of 2")
	require.Zero(t, n)
	n, err = q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop}, unique)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	for name, bad := range map[string]dray.JobOption{
		"deadline < 0":           dray.WithDeadline(-1),
		"deadline > a year":      dray.WithDeadline(year + 1),
		"period < 0":             dray.WithUniquePeriod(-1),
		"period > a year":        dray.WithUniquePeriod(year + 1),
		"limiter nil":            dray.WithRateLimit(nil),
		"limiter nil pointer":    dray.WithRateLimit((*atPace)(nil)),
		"limiter not comparable": dray.WithRateLimit(uncomparable{}),
		"group nil":              dray.WithGroup(nil),
	} {
		require.ErrorContains(t, q.Enqueue(t.Context(), kit.Nop, bad), "dray: ", name)
		_, err := dray.New(bad)
		require.ErrorContains(t, err, "dray: ", name)
		require.Error(t, q.Scheduler().Schedule("s", dray.Every(time.Hour), kit.Nop, bad), name)
	}
}

// atPace reads a field, as *rate.Limiter does: called on nil it panics.
type atPace struct{ err error }

func (l *atPace) Wait(context.Context) error { return l.err }

type uncomparable struct{ _ []int }

func (uncomparable) Wait(context.Context) error { return nil }
