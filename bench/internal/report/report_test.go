package report

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestMarkdown(t *testing.T) {
	table := Table{Title: "Work", Note: "What it is.", Header: []string{"", "ns"}}
	table.Add("channel", "72 ns")
	table.Add("a|b", "1.20 µs")
	table.Add("short")
	require.Equal(t, strings.Join([]string{
		"### Work", "",
		"What it is.", "",
		"|         |      ns |",
		"|---------|--------:|",
		"| channel |   72 ns |",
		`| a\|b    | 1.20 µs |`,
		"| short   |         |", "",
	}, "\n"), table.Markdown())
}

func TestColumnsAlign(t *testing.T) {
	table := Table{Title: "x", Header: []string{"dray × 2", "µs"}}
	table.Add("pond Go", "3.40 µs")
	lines := strings.Split(strings.TrimSpace(table.Markdown()), "\n")[2:]
	for _, line := range lines {
		require.Equal(t, utf8.RuneCountInString(lines[0]), utf8.RuneCountInString(line), line)
	}
}

func TestNumbers(t *testing.T) {
	nan := math.NaN()
	for want, got := range map[string]string{
		"72 ns": Ns(72), "7.25 ns": Ns(7.25), "-20.3 ns": Ns(-20.31), "1.00 µs": Ns(999.9), "1.25 ms": Ns(1.25e6), "2000 s": Ns(2e12),
		"9.50 B": Bytes(9.5), "2.50 KiB": Bytes(2560),
		"1 M": Count(1e6), "638 k": Count(638e3), "0": Count(0),
		"0.40": Ratio(0.4), "12.3": Ratio(12.34),
		"97.5 %": Percent(0.975), "2": Number(2), "0.01": Number(0.01),
	} {
		require.Equal(t, want, got)
	}
	for _, got := range []string{Ns(nan), Ratio(nan), Ratio(math.Inf(1)), Percent(nan), Number(nan)} {
		require.Equal(t, missing, got)
	}
}

func TestSplice(t *testing.T) {
	const begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
	page := "# Title\n<!-- other:begin -->\nkept\n<!-- other:end -->\n" + begin + "\nold\n" + end + "\ntail\n"
	once, err := Splice(page, "bench", "new\n")
	require.NoError(t, err)
	require.Equal(t, "# Title\n<!-- other:begin -->\nkept\n<!-- other:end -->\n"+begin+"\n\nnew\n\n"+end+"\ntail\n", once)
	twice, err := Splice(once, "bench", "new\n")
	require.NoError(t, err)
	require.Equal(t, once, twice)

	for _, broken := range []string{"", begin, end + begin} {
		_, err := Splice(broken, "bench", "new")
		require.Error(t, err, broken)
	}
}

func TestMachine(t *testing.T) {
	require.Contains(t, Machine(2), runtime.Version())
	require.Contains(t, Machine(2), "GOMAXPROCS 2")
	require.Equal(t, "Some CPU @ 2 GHz", modelName("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n"))
	require.Equal(t, "unknown processor", modelName("Hardware: x"))
}
