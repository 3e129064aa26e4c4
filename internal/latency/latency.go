// Package latency counts durations in buckets, for percentiles at a fixed cost: 4 KB for each
// histogram, O(1) to add, one pass over the buckets to read. Nothing is ever forgotten, so
// the percentiles are those of all that was added.
//
// It is not safe for concurrent use.
package latency

import (
	"math"
	"math/bits"
	"time"
)

// Each power of two is split into 8 buckets, so a reported percentile is at most
// 12.5 % above the true one. There are 61 times 8 of them: for 0 to 7 ns, which are exact,
// and for the powers from 2³ to 2⁶², with which every duration is covered.
const (
	subBits = 3
	sub     = 1 << subBits
	buckets = (64 - subBits) * sub
)

// Histogram counts durations. The zero value is empty and ready to use.
type Histogram struct {
	count  uint64          // of all durations: the sum of the buckets
	low    int             // no bucket before it has any; 0 while there are none
	max    time.Duration   // the longest, exactly
	bucket [buckets]uint64 // how many durations fell into each
}

// Add counts n durations of d each; a negative d counts as zero. n is at least 1, or d would become
// the longest without having been.
func (h *Histogram) Add(d time.Duration, n uint64) {
	d = max(d, 0)
	i := index(uint64(d))
	if h.count == 0 || i < h.low {
		h.low = i
	}
	h.count += n
	h.max = max(h.max, d)
	h.bucket[i] += n
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.count }

// Max returns the longest duration added, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantiles sets out to durations that the shares q (0 to 1, ascending) of all durations do not
// exceed: the upper edge of their buckets, and never more than Max. Without durations all are 0. As
// q ascends it is one pass over the buckets, from the first that has any, for all of them. out is
// as long as q.
func (h *Histogram) Quantiles(q []float64, out []time.Duration) {
	if h.count == 0 {
		clear(out)
		return
	}
	i, seen := h.low, h.bucket[h.low]
	for k := range q {
		// The rank is that of the duration sought, from 1. It is bounded by count, or the loop
		// would run off the buckets: a product of floats may be rounded up.
		rank := min(max(uint64(math.Ceil(q[k]*float64(h.count))), 1), h.count)
		for seen < rank {
			i++
			seen += h.bucket[i]
		}
		out[k] = min(upper(i), h.max)
	}
}

// index maps v to its bucket: exact below 8, then 8 buckets per power of two. shift is how many of
// the low bits do not count: what is left is the leading one and three more.
func index(v uint64) int {
	if v < sub {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return (shift+1)<<subBits + int(v>>shift)&(sub-1)
}

// upper returns the largest value of bucket i, which undoes index: the first value of the next one,
// less 1.
func upper(i int) time.Duration {
	if i < sub {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration((uint64(sub+i&(sub-1))+1)<<shift - 1)
}
