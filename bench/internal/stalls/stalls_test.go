package stalls

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// ants has goroutines of its own from the start of the process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func tiny() Config {
	c := Tiny()
	c.Log = io.Discard
	return c
}

// Everything runs, with next to nothing to do; each row is whole, and each ratio that
// the gate looks at is there.
func TestAllRuns(t *testing.T) {
	var tables []report.Table
	r, err := Run(tiny(), func(table report.Table) error {
		tables = append(tables, table)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, tables, 2)
	require.Equal(t, tables, r.Tables)
	for _, table := range tables {
		for _, row := range table.Rows {
			require.Len(t, row, len(table.Header), "%s: %v", table.Title, row)
		}
	}
	require.Len(t, r.Ratios, len(Gated()))
	for _, name := range Gated() {
		require.Positive(t, r.Ratios[name], name)
	}
}

func TestOnlyWhatIsAskedForRuns(t *testing.T) {
	c := tiny()
	c.Only = []string{"growth Stats", "stall Resume"}
	r, err := Run(c, func(report.Table) error { return nil })
	require.NoError(t, err)
	require.Len(t, r.Ratios, 2)
	require.Contains(t, r.Ratios, "growth Stats")
	require.Contains(t, r.Ratios, "stall Resume")
}

// A call that is held up for as long as another one runs is seen in full.
func TestLongestCallSeesWhatHoldsItUp(t *testing.T) {
	hold, release := make(chan struct{}), make(chan struct{})
	enqueue := func() {
		select {
		case <-hold:
			<-release
		default:
		}
	}
	var held time.Duration
	longest := longestCall(enqueue, func() {
		hold <- struct{}{} // a call has begun
		held = timed(func() { pause(5 * time.Millisecond) })
		release <- struct{}{}
	})
	require.GreaterOrEqual(t, longest, held)
}

func TestAllocationsAreRepeated(t *testing.T) {
	a := allocation{bytes: 1 << 20, objects: 1 << 10, took: time.Millisecond}
	again := measured(func() { a.repeat() })
	require.GreaterOrEqual(t, again.bytes, a.bytes)
	require.GreaterOrEqual(t, again.objects, a.objects)
	require.GreaterOrEqual(t, again.took, a.took)
	require.Nil(t, allocation{}.repeat()) // a call that allocates nothing
}

func TestHoldUpIsWhatTheControlHasNot(t *testing.T) {
	phases := func(longest ...float64) (ps []phase) {
		for _, l := range longest {
			ps = append(ps, phase{longest: l, took: time.Duration(l), ended: l})
		}
		return ps
	}
	require.InDelta(t, 20, holdUp{call: phases(30, 1000, 25), control: phases(10, 10, 500)}.longest(), 0, "of the medians")
	require.InDelta(t, 0, holdUp{call: phases(5), control: phases(10)}.longest(), 0)
	require.InDelta(t, 3, ended(phases(1, 3, 9)), 0)
	require.InDelta(t, 3, took(phases(1, 3, 9)), 0)
}

// Jobs that come due before the call can be watched are another try's.
func TestWhatComesTooLateIsTriedAgain(t *testing.T) {
	tries := 0
	s := scenario{name: "late", atTime: true, prepare: func(_ int, margin time.Duration) *state {
		tries++
		st := newState()
		st.due = time.Now().Add(margin)
		if tries == 2 { // the first is the one that tells what is allocated
			st.due = time.Now()
		}
		st.call = func() {}
		return st
	}}
	h := tiny().holdUpOf(s, 1)
	require.GreaterOrEqual(t, tries, 3)
	require.Len(t, h.call, 1)
	require.Len(t, h.control, 1)
}

// The scenarios' queues are what they say: so many jobs for the call to deal with.
func TestScenariosConcernAllJobs(t *testing.T) {
	const n = 2000
	after := map[string]func(dray.Stats) bool{
		"CancelKey, of all":               func(s dray.Stats) bool { return s.Cancelled > 0 },
		"Group.Cancel, of all":            func(s dray.Stats) bool { return s.Cancelled > 0 }, // the others have run
		"CancelKind, of all":              func(s dray.Stats) bool { return s.Cancelled > 0 },
		"RequeueAll":                      func(s dray.Stats) bool { return s.Enqueued == 2*n },
		"EnqueueBatch":                    func(s dray.Stats) bool { return s.Enqueued == n },
		"missed runs of tasks":            func(s dray.Stats) bool { return s.Enqueued == n },
		"Stats, behind an observed batch": func(s dray.Stats) bool { return s.Enqueued == n },
		"Resume":                          func(s dray.Stats) bool { return !s.Paused && s.Enqueued == n },
		"Resume, paused kind in front":    func(s dray.Stats) bool { return s.Pending == n && s.Enqueued == n+1 },
		"Resume, no tokens in front":      func(s dray.Stats) bool { return s.Pending == n && s.Enqueued == n+1 },
		"due at one moment":               func(s dray.Stats) bool { return s.Enqueued == n && s.Delayed == 0 },
		"expired at one moment":           func(s dray.Stats) bool { return s.Failed == n },
		"Jobs, to the end":                func(s dray.Stats) bool { return s.Enqueued == n },
		"Close and its report":            func(s dray.Stats) bool { return s.Enqueued == n },
	}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			require.Contains(t, after, s.name)
			st := s.prepare(n, s.margin(n))
			defer st.end()
			st.ready()
			st.call()
			stats := st.queue.Stats()
			require.True(t, after[s.name](stats), "%+v", stats)
		})
	}
}

func TestPerCallCountsItsCalls(t *testing.T) {
	var numbers []int
	perCall(100, func(i int) { numbers = append(numbers, i) })
	require.Len(t, numbers, 100)
	for i, n := range numbers {
		require.Equal(t, i, n, "each once, in order")
	}
	require.InDelta(t, 7, perTimedCall(10, func(int) time.Duration { return 7 }), 0)
	require.GreaterOrEqual(t, perCall(1, func(int) { pause(time.Millisecond) }), 1e6)
}

func TestBarsAreMetOrNot(t *testing.T) {
	require.Equal(t, "met", met(true))
	require.Equal(t, "not met", met(false))
}
