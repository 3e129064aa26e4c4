package policy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// A scene is how a job ends that has a unique key for a minute from now on.
type scene struct {
	*dray.Queue
	t    *testing.T
	opts []dray.JobOption // of the job
}

func (s *scene) add(fn dray.Func, more ...dray.JobOption) dray.ID {
	return kit.Add(s.t, s.Queue, fn, append(s.opts, more...)...)
}

// replace adds a job that takes the key over and has no period of its own. It waits for a
// second, if it is not cancelled.
func (s *scene) replace() dray.ID {
	return kit.Add(s.t, s.Queue, kit.Nop, dray.WithUnique("u", dray.ReplacePending), dray.WithDelay(time.Second))
}

var (
	inAnHour  = dray.WithDelay(time.Hour)
	twice     = dray.WithMaxAttempts(2)
	oneOfRoom = dray.WithCapacity(1)
)

// ways has those in which a job may settle. Each returns the job's ID; within 2 s all have settled
// that had the key.
var ways = map[string]struct {
	queue []dray.Option
	end   func(s *scene) dray.ID
}{
	"cancelled by its key": {end: func(s *scene) dray.ID {
		id := s.add(kit.Nop, inAnHour, dray.WithKey("k"))
		require.Equal(s.t, 1, s.CancelKey("k"))
		return id
	}},
	"cancelled by its kind": {end: func(s *scene) dray.ID {
		k, err := dray.Handle(s.Queue, "k", func(context.Context, int) error { return nil })
		require.NoError(s.t, err)
		r, err := k.EnqueueSync(s.t.Context(), 0, append(s.opts, inAnHour)...)
		require.NoError(s.t, err)
		require.Equal(s.t, 1, s.CancelKind("k"))
		return r.ID
	}},
	"cancelled by its group": {end: func(s *scene) dray.ID {
		g, err := dray.NewGroup(s.Queue)
		require.NoError(s.t, err)
		id := s.add(kit.Nop, inAnHour, dray.WithGroup(g))
		require.Equal(s.t, 1, g.Cancel())
		return id
	}},
	"evicted, as the oldest": {[]dray.Option{oneOfRoom, dray.WithOverflow(dray.DropOldest)}, func(s *scene) dray.ID {
		id := s.add(kit.Nop, inAnHour)
		kit.Add(s.t, s.Queue, kit.Nop)
		return id
	}},
	"evicted, as the newest": {[]dray.Option{oneOfRoom, dray.WithOverflow(dray.DropNewest)}, func(s *scene) dray.ID {
		kit.Add(s.t, s.Queue, kit.Nop, dray.WithDelay(time.Second))
		return s.add(kit.Nop)
	}},
	"past its deadline before it started": {end: func(s *scene) dray.ID {
		require.NoError(s.t, s.Pause())
		defer func() { kit.Elapse(time.Second); require.NoError(s.t, s.Resume()) }()
		return s.add(kit.Nop, dray.WithDeadline(time.Second))
	}},
	"discarded": {end: func(s *scene) dray.ID {
		return s.add(func(context.Context) error { return dray.Discard(kit.ErrBoom) }, twice)
	}},
	"handed back, restored and cancelled": {end: func(s *scene) dray.ID {
		id := s.add(kit.Nop, inAnHour)
		report := kit.CutShort(s.t, s.Queue)
		s.Queue = kit.Start(s.t)
		require.NoError(s.t, s.Restore(report))
		for j := range s.Jobs() {
			id = j.ID
		}
		require.NoError(s.t, s.Cancel(id))
		return id
	}},
	"failed, and requeued": {end: func(s *scene) dray.ID {
		id := s.add(kit.Fail)
		synctest.Wait()
		require.NoError(s.t, s.Requeue(id))
		synctest.Wait()
		return s.Failures()[0].ID
	}},
	"replaced while it was delayed": {end: func(s *scene) dray.ID {
		id := s.add(kit.Nop, inAnHour)
		s.replace()
		return id
	}},
	"replaced while it was delayed, by one that is cancelled": {end: func(s *scene) dray.ID {
		id := s.add(kit.Nop, inAnHour)
		require.NoError(s.t, s.Cancel(s.replace()))
		return id
	}},
	"replaced twice": {end: func(s *scene) dray.ID {
		id := s.add(kit.Nop, inAnHour)
		s.replace()
		s.replace()
		return id
	}},
	"replaced behind its key": {end: func(s *scene) dray.ID {
		kit.Add(s.t, s.Queue, draytest.Slow(time.Second), dray.WithKey("k"))
		id := s.add(kit.Nop, dray.WithKey("k"))
		s.replace()
		return id
	}},
	"replaced while it waited for a retry": {end: func(s *scene) dray.ID {
		id := s.add(kit.Fail, twice)
		synctest.Wait()
		s.replace()
		return id
	}},
	"replaced while it ran, ends before the other one": {end: func(s *scene) dray.ID {
		id := s.add(draytest.Slow(time.Second / 2))
		synctest.Wait()
		s.replace()
		return id
	}},
	"replaced while it ran, ends after the other one": {end: func(s *scene) dray.ID {
		id := s.add(draytest.Slow(3 * time.Second / 2))
		synctest.Wait()
		s.replace()
		return id
	}},
	"replaced while it ran, is to be retried": {end: func(s *scene) dray.ID {
		id := s.add(draytest.Slow(time.Second), dray.WithTimeout(time.Second/2), twice)
		synctest.Wait()
		s.replace()
		return id
	}},
}

// A key stays taken for the whole period, however its job has settled, and whatever became of a job
// that took it over.
func TestUniquePeriodHoweverItEnds(t *testing.T) {
	for name, way := range ways {
		kit.Bubble(t, name, func(t *testing.T) {
			opts := []dray.JobOption{dray.WithUnique("u", dray.RejectDuplicate), dray.WithUniquePeriod(time.Minute)}
			s := &scene{Queue: kit.Start(t, append(way.queue, dray.WithWorkers(2))...), t: t, opts: opts}
			begin := time.Now()
			id := way.end(s)
			kit.Elapse(2*time.Second - time.Since(begin))
			stats := kit.Balanced(t, s.Queue)
			require.Zero(t, stats.Pending+stats.Delayed+stats.Retrying+stats.Running, "%+v", stats)
			for _, left := range []time.Duration{58 * time.Second, 1} {
				kit.Elapse(58*time.Second - left)
				require.ErrorIs(t, s.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
				require.ErrorIs(t, s.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.ReplacePending)), dray.ErrDuplicate)
				r, err := s.EnqueueSync(t.Context(), kit.Nop, dray.WithUnique("u", dray.KeepExisting))
				require.NoError(t, err)
				require.Equal(t, dray.Receipt{ID: id}, r)
				kit.Elapse(0)
			}
			kit.Elapse(time.Minute - time.Since(begin))
			require.NoError(t, s.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)))
		})
	}
}

// A call that waits for room in order to replace a job has the key only once it is accepted: until
// then it is kept by the other job, and by its period.
func TestUniquePeriodOutlastsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), oneOfRoom, dray.WithOverflow(dray.Block))
		kit.Add(t, q, draytest.Slow(time.Second), dray.WithUnique("u", dray.RejectDuplicate), dray.WithUniquePeriod(time.Minute))
		synctest.Wait()
		kit.Add(t, q, kit.Nop)
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.ReplacePending)), dray.ErrDuplicate)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Rejected)
	})
}
