package latency

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Quantile is Quantiles for one share.
func (h *Histogram) Quantile(q float64) time.Duration {
	var out [1]time.Duration
	h.Quantiles([]float64{q}, out[:])
	return out[0]
}

// Several at a time are what each is alone, whatever was added in between.
func TestQuantilesTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	var h Histogram
	shares := []float64{0, 0.1, 0.5, 0.9, 0.99, 1}
	for range 1000 {
		h.Add(time.Duration(r.Int64N(1<<r.IntN(50)+1)), r.Uint64N(4))
		got := make([]time.Duration, len(shares))
		h.Quantiles(shares, got)
		for i, q := range shares {
			require.Equal(t, h.Quantile(q), got[i])
		}
	}
}

func TestEmpty(t *testing.T) {
	var h Histogram
	require.Zero(t, h.Count())
	require.Zero(t, h.Max())
	require.Zero(t, h.Quantile(0.5))
}

// At each edge a bucket ends and the next one begins.
func TestBucketEdges(t *testing.T) {
	for i := range buckets {
		top := uint64(upper(i))
		require.Equal(t, i, index(top), "top of bucket %d", i)
		if i < buckets-1 {
			require.Equal(t, i+1, index(top+1), "above bucket %d", i)
		}
		if i > 0 {
			below := uint64(upper(i - 1))
			require.LessOrEqual(t, float64(top), float64(below+1)*1.125, "width of bucket %d", i)
		}
	}
	require.Equal(t, time.Duration(math.MaxInt64), upper(buckets-1))
}

func TestSmallDurationsAreExact(t *testing.T) {
	for d := range time.Duration(16) {
		var h Histogram
		h.Add(d, 1)
		h.Add(time.Hour, 1)
		require.Equal(t, d, h.Quantile(0.5))
	}
}

func TestExtremes(t *testing.T) {
	var h Histogram
	h.Add(-time.Second, 1)
	require.Zero(t, h.Max())
	require.Zero(t, h.Quantile(1))
	h.Add(math.MinInt64, 1)
	h.Add(math.MaxInt64, 1)
	require.EqualValues(t, 3, h.Count())
	require.Equal(t, time.Duration(math.MaxInt64), h.Max())
	require.Equal(t, time.Duration(math.MaxInt64), h.Quantile(1))
	require.Zero(t, h.Quantile(0))
}

func TestAddMany(t *testing.T) {
	var one, many Histogram
	for range 1000 {
		one.Add(5*time.Millisecond, 1)
	}
	many.Add(5*time.Millisecond, 1000)
	require.Equal(t, one, many)
	many.Add(time.Second, 0)
	require.EqualValues(t, 1000, many.Count())
}

// Never more than Max: one sample is reported exactly.
func TestSingleSampleIsExact(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 1023, time.Millisecond + 1, 3 * time.Hour} {
		var h Histogram
		h.Add(d, 1)
		for _, q := range []float64{0, 0.5, 0.99, 1} {
			require.Equal(t, d, h.Quantile(q))
		}
	}
}

// sample draws durations of all magnitudes.
func sample(rng *rand.Rand, n int) []time.Duration {
	ds := make([]time.Duration, n)
	for i := range ds {
		ds[i] = time.Duration(rng.Uint64N(1 << (1 + rng.UintN(62))))
	}
	return ds
}

// truth is the smallest sample that the share q of all does not exceed.
func truth(sorted []time.Duration, q float64) time.Duration {
	rank := max(int(math.Ceil(q*float64(len(sorted)))), 1)
	return sorted[rank-1]
}

func TestQuantilesAreCloseAboveTheTruth(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ds := sample(rng, 1+rng.IntN(300))
		var h Histogram
		for _, d := range ds {
			h.Add(d, 1)
		}
		slices.Sort(ds)
		require.Equal(t, ds[len(ds)-1], h.Max())
		require.EqualValues(t, len(ds), h.Count())
		for _, q := range []float64{0, 0.25, 0.5, 0.9, 0.99, 1} {
			exact, got := truth(ds, q), h.Quantile(q)
			require.GreaterOrEqual(t, got, exact, "seed %d, %d samples, q %v", seed, len(ds), q)
			require.LessOrEqual(t, float64(got), float64(exact)*1.125, "seed %d, %d samples, q %v", seed, len(ds), q)
		}
	}
}

// The plain reading of Quantile's promise, where rounding the rank down breaks it.
func TestShareDoesNotExceedTheQuantile(t *testing.T) {
	var h Histogram
	h.Add(1, 14)
	h.Add(time.Second, 2)
	require.GreaterOrEqual(t, h.Quantile(0.9), time.Second, "14 of 16 are less than the share 0.9")
}

func TestAddAllocatesNothing(t *testing.T) {
	var h Histogram
	require.Zero(t, testing.AllocsPerRun(100, func() { h.Add(time.Millisecond, 1) }))
}

func FuzzHistogram(f *testing.F) {
	f.Add(int64(0), int64(7), int64(8))
	f.Add(int64(-1), int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, a, b, c int64) {
		ds := []time.Duration{time.Duration(a), time.Duration(b), time.Duration(c)}
		var h Histogram
		for i := range ds {
			h.Add(ds[i], 1)
			ds[i] = max(ds[i], 0)
		}
		slices.Sort(ds)
		require.Equal(t, ds[2], h.Max())
		for i, q := range []float64{1. / 3, 2. / 3, 1} {
			got := h.Quantile(q)
			require.GreaterOrEqual(t, got, ds[i])
			require.LessOrEqual(t, float64(got), float64(ds[i])*1.125)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	var h Histogram
	d := time.Duration(1)
	b.ReportAllocs()
	for b.Loop() {
		h.Add(d, 1)
		d = (d*5 + 1) & (1<<40 - 1)
	}
}
