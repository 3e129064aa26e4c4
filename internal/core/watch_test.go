package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// all has every effect that observers may ask for happen, and returns those that were made.
func all(t *testing.T, watched Watch) (made []Effect) {
	w := newWorld(t, Config{Workers: 2, Capacity: 3, FailuresKept: 1, Watched: watched})
	take := func() { made = append(made, w.seen...) }
	attempt := func(name string, res Result, opts func(j *Job)) {
		j := newJob(name)
		opts(j)
		w.offer(j)
		take()
		require.True(t, w.claim("w"))
		take()
		w.now += time.Second
		w.settle("w", res)
		take()
	}
	none := func(*Job) {}
	attempt("well", Result{}, none)
	attempt("failed", failed(), none)
	attempt("retried", failed(), func(j *Job) { j.MaxAttempts = 2 })
	attempt("snoozed", Result{Kind: Snooze, Snooze: time.Hour}, none)
	w.post("plain")
	take()
	require.True(t, w.claim("w"))
	take()
	w.settle("w", Result{})
	take()
	w.unique("first", "u", ReplacePending)
	take()
	w.unique("second", "u", ReplacePending)
	take()
	w.postNow("third")
	take()
	w.postNow("fourth")
	take()
	w.offer(newJob("rejected"))
	take()
	w.do(func(c *Core) { require.True(t, c.Cancel(w.id("third"), w.now)) })
	take()
	require.True(t, w.claim("w"))
	take()
	w.do(func(c *Core) { c.InterruptAll(w.now) })
	take()
	w.settle("w", failed())
	take()
	return made
}

// What is made for observers is what they have asked for, and that in the same order.
func TestWatch(t *testing.T) {
	asked := map[Watch]string{}
	for k := DidEnqueue; k <= DidInterrupt; k++ {
		asked[k.Watch()] = k.String()
	}
	for s := Processed; s <= Evicted; s++ {
		asked[s.Watch()] = s.String()
	}
	type told struct {
		kind  EffectKind
		state State
		job   string
		took  time.Duration
	}
	list := func(watched Watch, only func(e Effect) bool) (list []told) {
		for _, e := range all(t, watched) {
			if e.Info != nil && only(e) {
				list = append(list, told{e.Kind, e.Info.State, e.Info.Label, e.Took})
			}
		}
		return list
	}
	for watch, name := range asked {
		want := list(WatchAll, func(e Effect) bool {
			return e.Kind == HasSettled && watch == e.Info.State.Watch() || e.Kind != HasSettled && watch == e.Kind.Watch()
		})
		require.NotEmpty(t, want, name)
		require.Equal(t, want, list(watch, func(Effect) bool { return true }), name)
	}
	require.Empty(t, list(0, func(Effect) bool { return true }))
	for _, e := range all(t, WatchAll) {
		ends := e.Kind == DidRetry || e.Kind == DidSnooze || e.Kind == HasSettled && e.Info.State == Failed
		require.Equal(t, ends, e.Took == time.Second && e.Info.Label != "well", "%v %+v", e.Kind, e.Info)
	}
}

// Plain jobs go the short way while nobody watches how they start and end well.
func TestEasyWhileOthersAreWatched(t *testing.T) {
	easy := WatchAll &^ DidStart.Watch() &^ Processed.Watch()
	for watch, want := range map[Watch]bool{0: true, easy: true, DidStart.Watch(): false, Processed.Watch(): false} {
		w := newWorld(t, Config{Workers: 1, Capacity: -1, Watched: watch})
		w.post("a")
		w.post("b")
		require.True(t, w.claim("w"))
		require.Equal(t, want, w.c.Sharable(), "%b", watch)
	}
}
