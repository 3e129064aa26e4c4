package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each value falls into a bucket that ends at it or at most 1/32 above, and buckets
// are in the order of the values.
func TestBucketsBoundTheirValues(t *testing.T) {
	last := -1
	for _, v := range []uint64{0, 1, 31, 32, 33, 63, 64, 65, 66, 127, 128, 1000, 4095, 4096, 1 << 30, 1<<40 + 12345, math.MaxInt64} {
		i := bucket(v)
		require.GreaterOrEqual(t, i, last, "%d", v)
		require.GreaterOrEqual(t, upper(i), v)
		require.LessOrEqual(t, float64(upper(i)-v), float64(v)/32, "%d", v)
		last = i
	}
	require.Less(t, last, len(Histogram{}.counts))
}

func TestHistogramAgreesWithQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a, b Histogram
	var all []float64
	for i := range 10_000 {
		v := int64(math.Exp(r.Float64() * 15))
		all = append(all, float64(v))
		if i%2 == 0 {
			a.Add(v)
		} else {
			b.Add(v)
		}
	}
	a.Merge(&b)
	require.EqualValues(t, len(all), a.Count())
	for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
		exact := Quantile(all, q)
		require.GreaterOrEqual(t, a.Quantile(q), exact)
		require.LessOrEqual(t, a.Quantile(q), exact*33/32+1)
	}
	require.InDelta(t, Quantile(all, 1), a.Max(), 0)
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	require.True(t, math.IsNaN(h.Quantile(0.5)))
	h.Add(-5)
	require.InDelta(t, 0, h.Quantile(1), 0)
}
