package restart

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestWindowEdge(t *testing.T) {
	const period = 5 * time.Second
	for _, c := range []struct {
		name  string
		after time.Duration
		want  bool
	}{
		{"at once", 0, false},
		{"1 ns before the edge", period - 1, false},
		{"exactly at the edge", period, false},
		{"1 ns past the edge", period + 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewIntensity(2, period)
			require.True(t, w.Add(epoch))
			require.True(t, w.Add(epoch))
			require.Equal(t, c.want, w.Add(epoch.Add(c.after)))
		})
	}
}

func TestWindowAllowsNone(t *testing.T) {
	var zero Intensity
	require.False(t, zero.Add(epoch))
	none, negative := NewIntensity(0, time.Second), NewIntensity(-1, time.Second)
	require.False(t, none.Add(epoch))
	require.False(t, negative.Add(epoch))
}

// OTP keeps a list of times, drops those out of the period and counts the rest.
type list struct {
	limit  int
	period time.Duration
	times  []time.Time
}

func (l *list) add(now time.Time) bool {
	kept := []time.Time{now}
	for _, at := range l.times {
		if !at.Add(l.period).Before(now) {
			kept = append(kept, at)
		}
	}
	if len(kept) > l.limit {
		return false
	}
	l.times = kept
	return true
}

func TestWindowIsTheList(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit, period := rng.IntN(6), time.Duration(1+rng.IntN(20))
		w, model, now := NewIntensity(limit, period), list{limit: limit, period: period}, epoch
		for range 200 {
			now = now.Add(time.Duration(rng.IntN(8)))
			require.Equal(t, model.add(now), w.Add(now), "seed %d", seed)
		}
	}
}

func TestWindowMemoryIsBounded(t *testing.T) {
	w := NewIntensity(10, time.Nanosecond)
	for i := range 10_000 {
		require.True(t, w.Add(epoch.Add(time.Duration(i*2))))
	}
	require.LessOrEqual(t, cap(w.last), 2*11, "as append grows it, which differs between machines")
}
