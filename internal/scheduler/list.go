package scheduler

import (
	"cmp"
	"iter"
	"math"
	"runtime"
	"slices"

	"github.com/a622d8ee/dray/internal/sorted"
)

// This file has what is told of all tasks.

// Tasks says how many tasks there are, and yields them by their next run and then by name; those
// without one come last. Each is as it was at one moment; the books of all balance. It waits for
// schedules that say their words, which are foreign code, for AskLimit at most.
func (s *Scheduler) Tasks() (n int, tasks iter.Seq[Info]) {
	infos := s.infos()
	order := inOrder(infos)
	return len(infos), func(yield func(Info) bool) {
		for i, r := range order {
			letOthers(i)
			if !yield(infos[r.i]) {
				return
			}
		}
	}
}

// A rank is what tasks are ordered by, and which of the tasks it is of. There may be very many:
// to move these is faster than to move all that is told of a task.
type rank struct {
	next int64 // second of the next run
	nano int32 // of that second
	i    int32
}

// inOrder returns the order of the tasks.
func inOrder(infos []Info) []rank {
	ranks := make([]rank, len(infos))
	for i, t := range infos {
		ranks[i] = rank{t.Next.Unix(), int32(t.Next.Nanosecond()), int32(i)} //nolint:gosec // less than a billion; memory ends before
		if t.Next.IsZero() {
			ranks[i].next = math.MaxInt64
		}
	}
	steps := 0
	slices.SortFunc(ranks, func(a, b rank) int {
		steps++
		letOthers(steps)
		if a.next != b.next {
			return cmp.Compare(a.next, b.next)
		}
		if a.nano != b.nano {
			return cmp.Compare(a.nano, b.nano)
		}
		return cmp.Compare(infos[a.i].Name, infos[b.i].Name)
	})
	return ranks
}

// infosAtOnce is for how many tasks the engine and the loop are held up at a time. So the list as a
// whole is not of one moment.
const infosAtOnce = 128

// infos returns the tasks, in the order in which their names were first registered. Tasks that are
// removed while it collects may be left out, and new ones are. The words of the schedules are asked
// for at last, while no lock is held.
func (s *Scheduler) infos() []Info {
	s.mu.Lock()
	n, upTo := s.listed.Len(), s.count
	s.mu.Unlock()
	infos, described := make([]Info, 0, n), make([]*Task, 0, n)
	for after, more := uint64(0), true; more; {
		some := s.some(after, upTo, &infos)
		if more = len(some) > 0; more {
			after = some[len(some)-1].place
			described = append(described, some...)
			runtime.Gosched() // to the loop, if that waits for mu
		}
	}
	s.describe(described, infos)
	return infos
}

// letOthers lets the loop have its turn, where it waits for this processor, before each of so
// many steps that cost little: without that it would have to wait for the Go scheduler, which
// is 10 ms.
func letOthers(step int) {
	if step%infosAtOnce == infosAtOnce-1 {
		runtime.Gosched()
	}
}

// some appends what is told of the next tasks behind that place, and returns these.
func (s *Scheduler) some(after, upTo uint64, infos *[]Info) (some []*Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underBoth(func() {
		now := s.clock.Reference()
		for k, t := range s.listed.After(sorted.Key{Minor: after}) {
			if k.Minor > upTo || len(some) == infosAtOnce {
				break
			}
			some = append(some, t)
			*infos = append(*infos, s.info(t, now))
		}
	})
	return some
}
