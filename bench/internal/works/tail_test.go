package works

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/bench/internal/stat"
)

func TestTailSumsUpAllProducers(t *testing.T) {
	producers := make([]stat.Histogram, 4)
	for i := range producers {
		for range 100 {
			producers[i].Add(10)
		}
	}
	require.Equal(t, []float64{10, 10, 10, 1}, tailOf(producers), "all alike")
	for range 200 {
		producers[0].Add(10)
	}
	producers[0].Add(1000)
	columns := tailOf(producers)
	require.Equal(t, []float64{10, 1000, 1000}, columns[:smallestShare], "one in 601 is more than a thousandth")
	require.InDelta(t, 100*4/601.0, columns[smallestShare], 1e-9)
}

func TestEachProducerCallsUntilTheTimeIsOver(t *testing.T) {
	var calls atomic.Int64
	columns := produceFor(time.Millisecond, 3, func() { calls.Add(1) })
	require.GreaterOrEqual(t, calls.Load(), int64(3), "each once at least")
	require.Len(t, columns, 4)
}

func TestGuardedAppendIsBounded(t *testing.T) {
	var g guarded
	for range 1<<16 + 5 {
		g.append()
	}
	require.Len(t, g.jobs, 5)
}

// The means are of all cells that have a bar, or there are none.
func TestMeansOfNoopCells(t *testing.T) {
	var r Result
	for _, c := range settings() {
		ratio := 0.5
		switch {
		case c == setting{64, 2}:
			ratio = 100
		case c.producers == 1:
			ratio = 0.25
		}
		r.AddRatio("noop "+c.typed(), ratio)
	}
	noopMeans(&r, settings()[:3])
	require.NotContains(t, r.Ratios, "noop, mean of 1 producer")
	noopMeans(&r, settings())
	require.InDelta(t, 0.25, r.Ratios["noop, mean of 1 producer"], 1e-9)
	require.InDelta(t, 0.5, r.Ratios["noop, mean of many producers"], 1e-9)
	for _, b := range noopBars() {
		require.Contains(t, r.Ratios, b.ratio)
		require.NotEqual(t, "noop 64x2", b.ratio)
	}
}

func TestCrashesOfTheOwnerAreTimed(t *testing.T) {
	took := ownerCrashes(10)
	require.Len(t, took, crashes)
	for _, d := range took {
		require.Positive(t, d)
	}
	require.PanicsWithError(t, "no 1", func() { fatal{}.Fatalf("no %d", 1) })
}
