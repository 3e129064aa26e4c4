package queue_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// The tests that docs name exist: a table that points nowhere proves nothing.
func TestNamedTestsExist(t *testing.T) {
	defined := map[string]bool{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)`).FindAllStringSubmatch(string(source), -1) {
			defined[m[1]] = true
		}
		return err
	}))
	for _, doc := range []string{"docs/design.md", "docs/faults.md", "docs/otp.md", "docs/proof.md", "docs/protocol.md"} {
		text, err := os.ReadFile("../../" + doc)
		require.NoError(t, err)
		names := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)`").FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, names, doc)
		for _, m := range names {
			require.True(t, defined[m[1]], "%s names %s", doc, m[1])
		}
	}
}

// The functions that docs/architecture.md leads to are where it says.
func TestNamedFunctionsExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	links := regexp.MustCompile("\\[`(\\w+)`\\]\\(\\.\\./([^)]+)\\)").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(links), 30)
	for _, m := range links {
		source, err := os.ReadFile("../../" + m[2])
		require.NoError(t, err)
		require.Regexp(t, `(?m)^func (\([^)]*\) )?`+m[1]+`\(`, string(source), "%s in %s", m[1], m[2])
	}
}

// The root has types, their documentation and what they forward, in few files, which are no longer
// than one can read.
func TestTheHouse(t *testing.T) {
	files, examples := 0, 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		isTest := strings.HasSuffix(path, "_test.go")
		require.True(t, isTest || strings.Count(string(source), "\n") <= 400, "%s is longer than 400 lines", path)
		if filepath.Dir(path) == filepath.Join("..", "..") {
			require.True(t, !isTest || strings.HasPrefix(d.Name(), "example_"), "%s: tests are in test/", path)
			if isTest {
				examples++
			} else {
				files++
			}
		}
		return err
	}))
	require.LessOrEqual(t, files, 24)
	require.LessOrEqual(t, examples, 6)
}

// 41: timers after stopping or replacing a task: none.
func TestScheduleAndUnscheduleLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		n := 0
		tick := func(context.Context) error { n++; return nil }
		for range 100_000 {
			require.NoError(t, q.Scheduler().Schedule("tick", dray.Every(time.Second), tick))
			require.NoError(t, q.Scheduler().Unschedule("tick"))
		}
		kit.Elapse(24 * time.Hour)
		require.Zero(t, n)
		require.Empty(t, q.Scheduler().Tasks())
	})
}

// 14 to 16: ten thousand of each way to throw, on one worker.
func TestThrowsByTheThousand(t *testing.T) {
	for name, fn := range map[string]dray.Func{
		"panic":      draytest.Panicking(kit.ErrBoom),
		"panic(nil)": draytest.Panicking(nil),
		"Goexit":     draytest.Exiting(),
		"in a defer": func(context.Context) error { defer func() { panic(1) }(); return nil },
		"nested":     func(context.Context) error { defer func() { panic(2) }(); panic(1) },
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
			for range 10_000 {
				require.NoError(t, q.Enqueue(t.Context(), fn))
			}
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			synctest.Wait()
			s := kit.Balanced(t, q)
			require.Equal(t, []uint64{10_000, 1, 0}, []uint64{s.Failed, s.Processed, s.Restarts})
		})
	}
}
