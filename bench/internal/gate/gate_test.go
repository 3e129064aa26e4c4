package gate

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var record = Record{Command: "go run ./bench", Machine: "a machine", Ratios: map[string]float64{"noop": 0.4, "burst": 0.5}, Stalls: map[string]float64{}}

var limit = Limit{record.Ratios, Margin}

// runs is a Measure that returns one of the results after the other, and counts.
func runs(count *int, results ...map[string]float64) Measure {
	return func(_ []string, thorough bool) map[string]float64 {
		if thorough != (*count > 0) {
			panic("the second run is the thorough one")
		}
		*count++
		return results[*count-1]
	}
}

func TestGatePassesWhatIsNotClearlyWorse(t *testing.T) {
	n := 0
	require.NoError(t, limit.Check([]string{"noop", "burst"}, runs(&n, map[string]float64{"noop": 0.6, "burst": 0.1})))
	require.Equal(t, 1, n, "one run is enough")
}

func TestGateFailsOnABadRatio(t *testing.T) {
	n := 0
	bad := map[string]float64{"noop": 0.8, "burst": 0.5}
	err := limit.Check([]string{"noop", "burst"}, runs(&n, bad, bad))
	require.ErrorContains(t, err, "noop: ratio 0.80, recorded 0.40, that is 2.00 times as much")
	require.NotContains(t, err.Error(), "burst")
}

func TestGateForgivesNoise(t *testing.T) {
	n := 0
	err := limit.Check([]string{"noop", "burst"}, runs(&n,
		map[string]float64{"noop": 4, "burst": 0.5},
		map[string]float64{"noop": 0.4, "burst": 5})) // only the suspect is looked at again
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestGateGuardsNothingUnmeasured(t *testing.T) {
	n := 0
	measured := map[string]float64{"noop": 0.1}
	require.ErrorContains(t, limit.Check([]string{"other"}, runs(&n, measured)), `no ratio is recorded for "other"`)
	n = 0
	require.ErrorContains(t, limit.Check([]string{"burst"}, runs(&n, measured)), `"burst" was not measured`)
}

func TestRecordIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gate.json")
	require.NoError(t, record.Save(file))
	loaded, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, record, loaded)

	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = Load(file)
	require.ErrorContains(t, err, "gate.json")
	_, err = Load(file + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}
