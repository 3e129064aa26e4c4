package stat

import (
	"math"
	"math/bits"
)

// precision is how many bits of a value a Histogram keeps: its buckets are at most
// 1/32 wide, which is finer than any two runs agree.
const precision = 5

// A Histogram counts values from 0 on, in buckets whose width grows with the value.
// The zero value is empty. It is for one goroutine; Merge sums up those of several.
type Histogram struct {
	counts [(64 - precision + 1) << precision]uint64
	total  uint64
	max    int64
}

// Add counts one value; a negative one as 0.
func (h *Histogram) Add(v int64) {
	v = max(v, 0)
	h.counts[bucket(uint64(v))]++
	h.total++
	h.max = max(h.max, v)
}

// Merge adds what another one has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range &other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count returns how many values there are.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the largest value, exactly.
func (h *Histogram) Max() int64 { return h.max }

// Quantile returns a value that at least the share q of all, 0 to 1, do not exceed,
// at most 1/32 above the smallest such one; NaN if there are none.
func (h *Histogram) Quantile(q float64) float64 {
	if h.total == 0 {
		return math.NaN()
	}
	rank := max(uint64(math.Ceil(q*float64(h.total))), 1)
	for i, n := range &h.counts {
		if n >= rank {
			return min(float64(upper(i)), float64(h.max))
		}
		rank -= n
	}
	return float64(h.max)
}

// bucket returns the index for v: exact below 64, then 32 buckets for each doubling.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-precision-1, 0)
	return shift<<precision + int(v>>shift)
}

// upper returns the largest value that falls into the bucket.
func upper(i int) uint64 {
	shift := max(i>>precision-1, 0)
	return (uint64(i-shift<<precision)+1)<<shift - 1
}
