package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	xs := []float64{5, 1, 100, 3}
	require.InDelta(t, 4, Median(xs), 0)
	require.Equal(t, []float64{5, 1, 100, 3}, xs, "the caller's order is kept")
	require.InDelta(t, 3, Median(xs[1:]), 0)
	require.True(t, math.IsNaN(Median(nil)))
}

func TestQuantile(t *testing.T) {
	var xs []float64
	for i := 1000; i > 0; i-- {
		xs = append(xs, float64(i))
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		require.InDelta(t, want, Quantile(xs, q), 0, "%v", q)
	}
	require.InDelta(t, 7, Quantile([]float64{7}, 0.99), 0)
	require.True(t, math.IsNaN(Quantile(nil, 0.5)))
}

func TestRatios(t *testing.T) {
	require.Equal(t, []float64{0.5, 2}, Ratios([]float64{1, 4, 9}, []float64{2, 2}))
	require.Empty(t, Ratios(nil, []float64{1}))
}

func TestGeomean(t *testing.T) {
	require.InDelta(t, 2, Geomean([]float64{1, 4, 2}), 1e-12)
	require.True(t, math.IsNaN(Geomean(nil)))
}
