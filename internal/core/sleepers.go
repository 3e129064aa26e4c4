package core

import (
	"iter"
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// sleepers are the jobs that wait for their time, each priority by itself, High first: so it is known at
// any time, and costs nothing, which priorities have some that are due.
//
// All together they are in the order of their keys (Job.due): by time, and of one moment the higher
// priority before the lower, and then the one that has waited for longer.
type sleepers [3]sorted.List[*Job]

func (s *sleepers) add(j *Job)    { s[High-j.Priority].Put(j.due(), j) }
func (s *sleepers) remove(j *Job) { s[High-j.Priority].Delete(j.due()) }
func (s *sleepers) len() int      { return s[0].Len() + s[1].Len() + s[2].Len() }

// due returns the first of the highest priority that has a job due at now, nil if none has.
func (s *sleepers) due(now time.Duration) *Job {
	for i := range s {
		if isDue(&s[i], now) {
			_, j, _ := s[i].First()
			return j
		}
	}
	return nil
}

// dueAt yields those that are due at now, in the order in which they come into line.
func (s *sleepers) dueAt(now time.Duration) iter.Seq2[sorted.Key, *Job] {
	return func(yield func(sorted.Key, *Job) bool) {
		for i := range s {
			for k, j := range s[i].All() {
				if j.RunAt > now {
					break
				}
				if !yield(k, j) {
					return
				}
			}
		}
	}
}

// countDue returns about how many that are, and exactly if they are few: see sorted.List.Rank.
func (s *sleepers) countDue(now time.Duration) (n int) {
	for i := range s {
		n += s[i].Rank(sorted.Key{Major: int64(now), Minor: math.MaxUint64})
	}
	return n
}

// all yields them in order: see after.
func (s *sleepers) all() iter.Seq2[sorted.Key, *Job] {
	return s.after(sorted.Key{Major: math.MinInt64})
}

// after yields those behind a key, in order. They must not be changed meanwhile: see sorted.List.After.
func (s *sleepers) after(k sorted.Key) iter.Seq2[sorted.Key, *Job] {
	return func(yield func(sorted.Key, *Job) bool) {
		for {
			// A stretch of one priority, up to where another's next comes before.
			i, end := s.next(k)
			if i < 0 {
				return
			}
			for next, j := range s[i].After(k) {
				if end.Less(next) {
					break
				}
				if k = next; !yield(next, j) {
					return
				}
			}
		}
	}
}

// next returns which priority's next behind k comes first, and before which key its others do, too. It is
// negative if there are none.
func (s *sleepers) next(k sorted.Key) (first int, end sorted.Key) {
	first, end = -1, sorted.Key{Major: math.MaxInt64, Minor: math.MaxUint64}
	nearest := end
	for i := range s {
		for next := range s[i].After(k) {
			if next.Less(nearest) {
				first, nearest, end = i, next, nearest
			} else if next.Less(end) {
				end = next
			}
			break
		}
	}
	return first, end
}
