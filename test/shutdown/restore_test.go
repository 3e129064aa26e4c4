package shutdown_test

import (
	"context"
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// closed ends q and returns what was left.
func closed(t testing.TB, q *dray.Queue) dray.Report {
	t.Helper()
	_ = q.Close()
	report, _ := q.Shutdown(context.Background())
	return report
}

// One leftover that is not valid, wherever it stands, and nothing is taken.
func TestRestoreChecksAllFirst(t *testing.T) {
	bad := map[string]struct {
		edit func(l *dray.Leftover)
		want error
	}{
		"priority 7":        {func(l *dray.Leftover) { l.Priority = 7 }, nil},
		"priority -2":       {func(l *dray.Leftover) { l.Priority = -2 }, nil},
		"priority -128":     {func(l *dray.Leftover) { l.Priority = -128 }, nil},
		"no func":           {func(l *dray.Leftover) { l.Func = nil }, dray.ErrNilFunc},
		"unknown kind":      {func(l *dray.Leftover) { l.Kind = "nobody's" }, dray.ErrUnknownKind},
		"settled":           {func(l *dray.Leftover) { l.State = dray.Processed }, nil},
		"no such state":     {func(l *dray.Leftover) { l.State = 200 }, nil},
		"attempt -1":        {func(l *dray.Leftover) { l.Attempt = -1 }, nil},
		"attempts overflow": {func(l *dray.Leftover) { l.Attempt = math.MaxInt }, nil},
	}
	for name, tc := range bad {
		for _, handmade := range []bool{false, true} {
			for at := range 3 {
				bubble(t, name+" "+strconv.FormatBool(handmade)+" "+strconv.Itoa(at), func(t *testing.T) {
					var ran record[int]
					old := newQueue(t)
					for i := range 2 {
						add(t, old, ran.Job(i))
					}
					report := closed(t, old)
					last := dray.Leftover{Func: ran.Job(2)}
					if !handmade {
						last = report.Waiting[0]
						report.Waiting = report.Waiting[1:]
					}
					tc.edit(&last)
					all := append([]dray.Leftover(nil), report.Waiting...)
					at := min(at, len(all))
					all = append(all[:at:at], append([]dray.Leftover{last}, all[at:]...)...)
					q := newQueue(t)
					err := q.Restore(dray.Report{Waiting: all[1:], Interrupted: all[:1]})
					require.Error(t, err)
					if tc.want != nil {
						require.ErrorIs(t, err, tc.want)
					}
					named := "job"
					if handmade {
						named = [...]string{"Interrupted[0]", "Waiting[0]", "Waiting[1]"}[at]
					}
					require.ErrorContains(t, err, "dray: Restore: "+named, "by its ID, or by its place if it has none")
					require.Zero(t, balanced(t, q).Enqueued)
					require.NoError(t, q.Start())
					synctest.Wait()
					require.Empty(t, ran.All())
					require.Zero(t, q.Stats().Restarts)
					require.NoError(t, q.Restore(report), "the others can be taken still")
					synctest.Wait()
					require.Len(t, ran.All(), len(report.Waiting))
				})
			}
		}
	}
}

// What had started takes no room, and is not dropped for others.
func TestRestoreKeepsThatAJobHasStarted(t *testing.T) {
	started := map[string]func(ctx context.Context) error{
		"retrying":    func(context.Context) error { return kit.ErrBoom },
		"snoozed":     func(context.Context) error { return dray.Snooze(time.Hour) },
		"interrupted": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}
	for name, fn := range started {
		for _, handmade := range []bool{false, true} {
			if handmade && name == "snoozed" {
				continue // which a JobInfo does not tell from one that was delayed
			}
			bubble(t, name+" "+strconv.FormatBool(handmade), func(t *testing.T) {
				old := newQueue(t, dray.WithMaxAttempts(5), dray.WithBackoff(dray.Constant(time.Hour)))
				require.NoError(t, old.Start())
				add(t, old, fn, dray.WithLabel("old"))
				synctest.Wait()
				report := closed(t, old)
				if handmade {
					for _, ls := range [][]dray.Leftover{report.Interrupted, report.Waiting} {
						for i, l := range ls {
							ls[i] = dray.Leftover{JobInfo: l.JobInfo, Func: l.Func}
						}
					}
				}
				q := newQueue(t, dray.WithCapacity(1), dray.WithOverflow(dray.DropOldest))
				require.NoError(t, q.Restore(report))
				add(t, q, kit.Nop, dray.WithLabel("new"))
				s := balanced(t, q)
				require.Zero(t, s.Evicted, "there was room")
				add(t, q, kit.Nop, dray.WithLabel("newer"))
				var left []string
				for j := range q.Jobs() {
					left = append(left, j.Label)
				}
				require.ElementsMatch(t, []string{"old", "newer"}, left)
			})
		}
	}
}

// A leftover made by hand has what a job of its kind would have.
func TestRestoreOfHandmadeJobsOfAKind(t *testing.T) {
	bubble(t, "kind", func(t *testing.T) {
		var ran record[string]
		q := newQueue(t, dray.WithWorkers(1), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second)))
		note := func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error {
				ran.Add("around " + j.Kind + " " + j.Label)
				return next(ctx, j)
			}
		}
		_, err := dray.Handle(q, "k", func(context.Context, int) error { return nil },
			dray.WithMaxAttempts(3), dray.WithTimeout(time.Minute), dray.WithKey("key"), dray.WithLabel("label"),
			dray.WithPriority(dray.Low), dray.WithDelay(time.Hour), dray.WithMiddleware(note))
		require.NoError(t, err)
		fn := func(ctx context.Context) error {
			end, _ := ctx.Deadline()
			ran.Add(time.Until(end).String())
			return kit.ErrBoom
		}
		require.NoError(t, q.Restore(dray.Report{Waiting: []dray.Leftover{
			{Func: fn, JobInfo: dray.JobInfo{Kind: "k"}},
			{Func: fn, JobInfo: dray.JobInfo{Kind: "k", Label: "own", Key: "other", Priority: dray.High}},
			{Func: func(context.Context) error { ran.Add("no kind"); return kit.ErrBoom }},
		}}))
		for j := range q.Jobs() {
			want := map[string]dray.JobInfo{
				"label": {ID: 1, Kind: "k", Label: "label", Key: "key", Priority: dray.Low},
				"own":   {ID: 2, Kind: "k", Label: "own", Key: "other", Priority: dray.High},
				"":      {ID: 3},
			}[j.Label]
			want.EnqueuedAt = j.EnqueuedAt
			require.Equal(t, want, j)
			require.WithinDuration(t, time.Now(), j.EnqueuedAt, 0, "one that says nothing was accepted now")
		}
		require.NoError(t, q.Start())
		time.Sleep(time.Minute)
		count := map[string]int{}
		for _, r := range ran.All() {
			count[r]++
		}
		require.Equal(t, map[string]int{"around k label": 3, "around k own": 3, "1m0s": 6, "no kind": 2}, count)
		require.Equal(t, uint64(3), balanced(t, q).Failed)
	})
}

// What a JobInfo says counts, also of a job that dray has made.
func TestRestoreOfEditedJobs(t *testing.T) {
	bubble(t, "edited", func(t *testing.T) {
		var ran record[string]
		old := newQueue(t)
		for _, l := range []string{"a", "b", "c"} {
			add(t, old, ran.Job(l), dray.WithLabel(l))
		}
		require.NoError(t, old.Enqueue(t.Context(), ran.Job("d")))
		left := closed(t, old).Waiting
		left[1].Priority = dray.High
		left[2].Label, left[2].Key = "other", "key"
		left[3].Key = "key"
		left[0].State, left[0].RunAt = dray.Delayed, time.Now().Add(time.Hour)
		left[0].EnqueuedAt = time.Now().Add(1000 * time.Hour)
		q := newQueue(t, dray.WithWorkers(1))
		require.NoError(t, q.Restore(dray.Report{Waiting: left}))
		for j := range q.Jobs() {
			require.False(t, j.EnqueuedAt.After(time.Now()))
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []string{"b", "c", "d"}, ran.All())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"b", "c", "d", "a"}, ran.All())
	})
}

// Times of any size.
func TestRestoreOfExtremeTimes(t *testing.T) {
	far := []time.Time{{}, time.Unix(0, 0), time.Date(-9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Unix(1<<60, 0)}
	for i, enqueued := range far {
		for k, due := range far {
			for _, state := range []dray.State{dray.Pending, dray.Delayed, dray.Retrying} {
				bubble(t, strconv.Itoa(i)+" "+strconv.Itoa(k)+" "+state.String(), func(t *testing.T) {
					var ran record[int]
					q := newQueue(t)
					require.NoError(t, q.Start())
					l := dray.Leftover{Func: ran.Job(1), JobInfo: dray.JobInfo{State: state, EnqueuedAt: enqueued, RunAt: due}}
					require.NoError(t, q.Restore(dray.Report{Waiting: []dray.Leftover{l}}))
					time.Sleep(100 * 365 * 24 * time.Hour)
					require.Equal(t, due.IsZero() || due.Before(time.Now()), len(ran.All()) == 1)
					balanced(t, q)
				})
			}
		}
	}
}

// A caller who was told that its job will not run can rely on it.
func TestToldThatItWillNotRun(t *testing.T) {
	type told struct {
		err error
	}
	ways := map[string]func(q *dray.Queue, fn func(context.Context) (int, error)) <-chan told{
		"Run": func(q *dray.Queue, fn func(context.Context) (int, error)) <-chan told {
			c := make(chan told, 1)
			go func() { _, err := dray.Run(context.Background(), q, fn); c <- told{err} }()
			return c
		},
		"Run with options": func(q *dray.Queue, fn func(context.Context) (int, error)) <-chan told {
			c := make(chan told, 1)
			go func() { _, err := dray.Run(context.Background(), q, fn, dray.WithLabel("l")); c <- told{err} }()
			return c
		},
		"Wait": func(q *dray.Queue, fn func(context.Context) (int, error)) <-chan told {
			c := make(chan told, 1)
			task, _ := dray.Submit(context.Background(), q, fn)
			go func() { _, err := task.Wait(context.Background()); c <- told{err} }()
			return c
		},
	}
	for name, way := range ways {
		for _, state := range []string{"waiting", "interrupted"} {
			bubble(t, name+" "+state, func(t *testing.T) {
				runs := 0
				old := newQueue(t)
				if state == "interrupted" {
					require.NoError(t, old.Start())
				}
				answer := way(old, func(ctx context.Context) (int, error) { runs++; <-ctx.Done(); return 1, ctx.Err() })
				synctest.Wait()
				before := runs
				add(t, old, kit.Nop, dray.WithDelay(time.Second))
				report := closed(t, old)
				require.Len(t, append(report.Waiting, report.Interrupted...), 2, "the report has it all the same")
				require.ErrorIs(t, (<-answer).err, dray.ErrShutdown)
				q := newQueue(t)
				require.NoError(t, q.Start())
				require.NoError(t, q.Restore(report))
				require.Equal(t, uint64(1), balanced(t, q).Enqueued, "the other one")
				time.Sleep(time.Hour)
				require.Equal(t, before, runs)
			})
		}
	}
	bubble(t, "Task", func(t *testing.T) {
		runs := 0
		fn := func(context.Context) (int, error) { runs++; return 1, nil }
		old := newQueue(t)
		var tasks []*dray.Task[int]
		for range 4 {
			task, err := dray.Submit(t.Context(), old, fn)
			require.NoError(t, err)
			tasks = append(tasks, task)
		}
		report := closed(t, old)
		<-tasks[0].Done()
		_, err := tasks[1].Wait(t.Context())
		require.ErrorIs(t, err, dray.ErrShutdown)
		_, err, ok := tasks[2].Result()
		require.True(t, ok)
		require.ErrorIs(t, err, dray.ErrShutdown)
		q := newQueue(t)
		require.NoError(t, q.Start())
		require.NoError(t, q.Restore(report))
		synctest.Wait()
		require.Equal(t, 1, runs, "of whose result nobody has heard")
		require.ErrorIs(t, q.Restore(report), dray.ErrDuplicate)
		synctest.Wait()
		require.Equal(t, 1, runs)
	})
}

// Where a Restore goes wrong as a whole, the leftovers can be restored elsewhere.
func TestRestoreWhereItCannotBe(t *testing.T) {
	bubble(t, "closed", func(t *testing.T) {
		var ran record[int]
		old := newQueue(t)
		add(t, old, ran.Job(1))
		report := closed(t, old)
		ended := newQueue(t)
		serve(ended).end(t, nil)
		require.ErrorIs(t, ended.Restore(report), dray.ErrClosed, "until it is served again")
		require.ErrorIs(t, old.Restore(report), dray.ErrClosed)
		v := serve(ended)
		require.NoError(t, ended.Restore(report))
		synctest.Wait()
		require.Equal(t, []int{1}, ran.All())
		v.end(t, nil)
	})
}

// A queue that has ended does not grow older.
func TestBooksOfAClosedQueue(t *testing.T) {
	bubble(t, "closed", func(t *testing.T) {
		q := newQueue(t, dray.WithWorkers(1))
		v := serve(q)
		var ran record[int]
		add(t, q, ran.sleeper(1, time.Hour))
		add(t, q, kit.Nop, dray.WithKey("k"))
		add(t, q, kit.Nop, dray.WithDelay(time.Hour))
		time.Sleep(time.Second)
		v.end(t, dray.ErrRestart)
		time.Sleep(time.Minute)
		require.Equal(t, time.Minute+time.Second, balanced(t, q).OldestPending, "it may be served again")
		report := closed(t, q)
		s := balanced(t, q)
		require.Zero(t, s.OldestPending)
		require.Equal(t, []int{2, 1}, []int{s.Pending, s.Delayed}, "those in the report")
		text := q.String()
		other := newQueue(t)
		require.NoError(t, other.Restore(report))
		time.Sleep(1000 * time.Hour)
		require.Equal(t, s, balanced(t, q))
		require.Equal(t, text, q.String())
	})
}

func TestTwoPeriodicTasksOfOneName(t *testing.T) {
	_, err := dray.New(dray.WithPeriodic("a", dray.Every(time.Second), kit.Nop), dray.WithPeriodic("b", dray.Every(time.Second), kit.Nop),
		dray.WithPeriodic("a", dray.Every(time.Minute), kit.Nop))
	require.ErrorIs(t, err, dray.ErrDuplicate)
	require.Contains(t, err.Error(), `"a"`)
}
