// Package latency counts durations in buckets, for percentiles at a fixed cost.
//
// It is not safe for concurrent use.
package latency

import (
	"math"
	"math/bits"
	"time"
)

// Each power of two is split into 8 buckets, so a reported percentile is at most
// 12.5 % above the true one. 62 powers cover every duration.
const (
	subBits = 3
	sub     = 1 << subBits
	buckets = (64 - subBits) * sub
)

// Histogram counts durations. The zero value is empty and ready to use.
type Histogram struct {
	count  uint64
	max    time.Duration
	bucket [buckets]uint64
}

// Add counts n durations of d each; a negative d counts as zero.
func (h *Histogram) Add(d time.Duration, n uint64) {
	d = max(d, 0)
	h.count += n
	h.max = max(h.max, d)
	h.bucket[index(uint64(d))] += n
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.count }

// Max returns the longest duration added, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that the share q (0 to 1) of all durations does
// not exceed: the upper edge of its bucket, and never more than Max.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(math.Ceil(q*float64(h.count))), 1)
	var seen uint64
	for i, n := range &h.bucket {
		if seen += n; seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// index maps v to its bucket: exact below 8, then 8 buckets per power of two.
func index(v uint64) int {
	if v < sub {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return (shift+1)<<subBits + int(v>>shift)&(sub-1)
}

// upper returns the largest value of bucket i.
func upper(i int) time.Duration {
	if i < sub {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration((uint64(sub+i&(sub-1))+1)<<shift - 1)
}
