package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var chart = Chart{
	Title: `a <b> & "c"`, XLabel: "x", YLabel: "y", X: []string{"1×2", "8×8", "64×64"},
	Series: []Series{
		{Name: "dray & co", Bold: true, Y: []float64{30, 40, 50}},
		{Name: "gap", Y: []float64{100, math.NaN(), 2000}},
	},
}

// elements counts the elements of each name, and fails for what is not XML.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	found := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok {
			found[start.Name.Local]++
		}
	}
}

func TestSVGIsWellFormed(t *testing.T) {
	svg := chart.SVG()
	found := elements(t, svg)
	require.Equal(t, 1, found["svg"])
	require.Equal(t, 2, found["path"], "a line each")
	require.Equal(t, 5, found["circle"], "a point for each number, none for the gap")
	require.Contains(t, svg, "dray &amp; co")
	require.Contains(t, svg, "prefers-color-scheme:dark", "legible on dark pages")
	require.NotContains(t, svg, "NaN")
}

func TestSVGOfNothing(t *testing.T) {
	for _, c := range []Chart{{}, {X: []string{"a"}, Series: []Series{{Y: []float64{math.NaN()}}}}} {
		svg := c.SVG()
		elements(t, svg)
		require.NotContains(t, svg, "NaN")
		require.NotContains(t, svg, "Inf")
	}
}

func TestGapsInterruptTheLine(t *testing.T) {
	d := drawing{axis: axis{1, 10}, columns: 4}
	require.Equal(t, 2, strings.Count(d.path([]float64{1, 2, math.NaN(), 3}), "M"))
}

func TestAxisHasRoomForAll(t *testing.T) {
	for _, ys := range [][]float64{{30, 1300}, {1, 1}, {10}, {0.3, 0.4}, {99, 101}, {1000, 1}} {
		a := axisOf([]Series{{Y: ys}})
		for _, y := range ys {
			require.GreaterOrEqual(t, a.share(y), 0.0, "%v on %v", y, a)
			require.LessOrEqual(t, a.share(y), 1.0, "%v on %v", y, a)
		}
		require.GreaterOrEqual(t, len(a.ticks()), 2, "%v", a)
	}
	require.Equal(t, axis{20, 2000}, axisOf([]Series{{Y: []float64{30, 1300}}}))
}
