// Package stat sums up measurements by their order, as the noise of a shared
// machine is one-sided and heavy: a mean would measure the neighbours.
package stat

import (
	"math"
	"slices"
)

// Median returns the middle of xs, or the mean of the two middle ones; NaN if
// there are none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// Quantile returns the smallest of xs that at least the share q of them, 0 to 1,
// do not exceed; NaN if there are none. It sorts xs.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	slices.Sort(xs)
	rank := int(math.Ceil(q * float64(len(xs))))
	return xs[min(max(rank, 1), len(xs))-1]
}

// Ratios returns a[i]/b[i] for each i that both have.
func Ratios(a, b []float64) []float64 {
	n := min(len(a), len(b))
	rs := make([]float64, n)
	for i := range n {
		rs[i] = a[i] / b[i]
	}
	return rs
}

// Geomean returns the geometric mean, which is the one for ratios; NaN if there
// are none.
func Geomean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(xs)))
}
