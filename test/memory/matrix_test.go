package memory_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// setups are queues that could keep something of their jobs for their own ends.
func setups() map[string][]dray.Option {
	return map[string][]dray.Option{
		"bare":     nil,
		"observer": {dray.WithObserver(func(dray.Event) {})},
		"logger":   {dray.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))},
		"defaults": {dray.WithContextValues(), dray.WithMiddleware(passOn), dray.WithLabel("default")},
	}
}

func passOn(next dray.Handler) dray.Handler {
	return func(ctx context.Context, j *dray.Job) error { return next(ctx, j) }
}

// Once a job has ended, in whatever way, nothing that it has captured is kept: not by the
// queue, be it busy or idle, nor by any of its workers, nor by a Task, Kind or Group. A
// group's completion job is no exception, once that has run. What is kept of failed jobs
// is elsewhere: here it is none.
func TestNothingIsKept(t *testing.T) {
	for name, setup := range setups() {
		if testing.Short() && name != "bare" && name != "defaults" {
			continue
		}
		for _, e := range endings() {
			t.Run(name+"/"+e.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { tryEnding(t, setup, e) }) })
		}
	}
}

// tryEnding plays an ending with each option and way, and looks at all of them together,
// as the collector is what takes the time.
func tryEnding(t *testing.T, setup []dray.Option, e ending) {
	time.Sleep(73*time.Hour + 11*time.Minute)
	var scenes []*scene
	for _, option := range slices.Sorted(maps.Keys(options)) {
		for _, w := range ways() {
			if sc := play(t, option+"/"+w.name, setup, e, option, w); sc != nil {
				scenes = append(scenes, sc)
			}
		}
	}
	require.Greater(t, len(scenes), len(options)*(len(ways())-1))
	requireGone(t, scenes, "while the queue is as it was", "completion") // before anything else looks at the queue
	for _, sc := range scenes {
		sc.requireEnd(e)
	}
	for _, sc := range scenes {
		sc.release()
	}
	requireGone(t, scenes, "once it is idle")
	for _, sc := range scenes {
		sc.end()
	}
	requireGone(t, scenes, "once it is closed")
	for _, sc := range scenes {
		sc.tasks, sc.groups = nil, nil
	}
	requireGone(t, scenes, "by others than a Task or Group")
	runtime.KeepAlive(scenes)
}

func requireGone(t *testing.T, scenes []*scene, when string, but ...string) {
	t.Helper()
	collect()
	for _, sc := range scenes {
		if names := sc.alive(append(sc.contract(), but...)...); len(names) > 0 {
			t.Errorf("%s: %v kept %s", sc.name, names, when)
		}
	}
}

// play has one job come to its end, or returns nil where options exclude each other.
func play(t *testing.T, name string, setup []dray.Option, e ending, option string, w way) *scene {
	t.Helper()
	if e.name == "replaced" && option == "WithUniquePeriod" {
		return nil // what has settled cannot be replaced
	}
	sc := newScene(t, name, slices.Concat(setup, e.queue)...)
	sc.act = e.act
	if e.before != nil {
		e.before(sc)
	}
	err := sc.enqueue(w, slices.Concat(options[option](sc), e.jobs))
	if after := e.after; after != nil {
		after(sc)
	} else {
		sc.pass(3 * time.Hour)
	}
	synctest.Wait()
	sc.cancel, sc.refused = nil, err
	return sc
}

// requireEnd asserts that the scene has played as it should: else it would prove nothing.
func (sc *scene) requireEnd(e ending) {
	sc.t.Helper()
	require.Empty(sc.t, sc.watched(), sc.name)
	require.EqualValues(sc.t, e.runs, sc.runs.Load(), sc.name)
	if e.settled != nil {
		require.NoError(sc.t, sc.refused, sc.name)
		require.EqualValues(sc.t, 1, e.settled(sc.q.Stats()), sc.name)
	}
	if e.refused {
		require.EqualValues(sc.t, 1, sc.q.Stats().Rejected, sc.name)
	}
}
