package goid

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// other returns the number of a goroutine that waits until the test is over.
func other(t *testing.T) ID {
	t.Helper()
	began, end := make(chan ID), make(chan struct{})
	go waits(began, end)
	t.Cleanup(func() { close(end) })
	return <-began
}

//go:noinline
func waits(began chan<- ID, end <-chan struct{}) {
	began <- Current()
	<-end
}

func TestEveryGoroutineHasANumberOfItsOwn(t *testing.T) {
	me := Current()
	require.NotZero(t, me)
	require.Equal(t, me, Current())
	require.True(t, me.Is(Current()))
	seen := map[ID]bool{me: true}
	for range 100 {
		id := other(t)
		require.NotZero(t, id)
		require.False(t, seen[id])
		require.False(t, id.Is(me))
		seen[id] = true
	}
}

// What the runtime might print some day, or a cut one, is nobody's number.
func TestUnknownIsNobody(t *testing.T) {
	for _, head := range []string{
		"", "goroutine", "goroutine ", "goroutine 12", "goroutine x [running]:", "goroutine -1 [running]:",
		"goroutine  [running]:", "g 12 [running]:", "Goroutine 12 [running]:", "goroutine 99999999999999999999 [running]:",
		"12 [running]:", "\ngoroutine 12 [running]:", "goroutine 0x12 [running]:",
	} {
		require.Zero(t, parse([]byte(head)), "%q", head)
	}
	require.EqualValues(t, 12, parse([]byte("goroutine 12 [running]:")))
	require.False(t, ID(0).Is(0), "two that are unknown are not the same")
	require.False(t, ID(0).Is(1))
}

func TestStacks(t *testing.T) {
	a, b, gone := other(t), other(t), make(chan ID, 1)
	go func() { gone <- Current() }()
	ended := <-gone
	got := Stacks([]ID{a, 0, b}, 1<<10)
	require.Len(t, got, 2)
	for id, stack := range got {
		require.Equal(t, id, parse(stack))
		require.Contains(t, string(stack), "goid.waits")
		require.Equal(t, 1, strings.Count(string(stack), "goroutine "+fmt.Sprint(uint64(id))+" ["))
		require.LessOrEqual(t, len(stack), 1<<10)
	}
	require.Nil(t, Stacks([]ID{ended + 1<<40}, 1<<10)[ended+1<<40])
	require.Len(t, Stacks([]ID{a}, 10)[a], 10)
	require.Empty(t, Stacks(nil, 10))
	require.Contains(t, string(Stacks([]ID{Current()}, 1<<10)[Current()]), "TestStacks")
}

// Where there is not room for all, some stacks are found and the others are not; the
// number of the last one that is there may be cut off, and is then nobody's.
func TestCutDump(t *testing.T) {
	const text = "goroutine 1 [running]:\nmain.a()\n\ngoroutine 23 [select]:\nmain.b()\n\ngoroutine 45 [sleep]:\nmain.c()\n"
	all := find([]byte(text), []ID{1, 23, 45}, 100)
	require.Len(t, all, 3)
	for n := range len(text) {
		for id, stack := range find([]byte(text[:n]), []ID{1, 2, 4, 23, 45}, 100) {
			require.True(t, strings.HasPrefix(string(all[id]), strings.TrimSuffix(string(stack), "\n")), "%d of %d bytes: %q", id, n, stack)
		}
	}
	require.Nil(t, find([]byte(text[:50]), []ID{45}, 100)[45])
}

func TestDumpIsBounded(t *testing.T) {
	for range 200 {
		other(t)
	}
	const most = 20 << 10
	require.Len(t, dump(most), most)
	whole := dump(maxDump)
	require.Less(t, len(whole), maxDump)
	require.GreaterOrEqual(t, strings.Count("\n\n"+string(whole), "\n\ngoroutine "), 201)
}

// A dump that does not fit at once is made again, with more room.
func TestDumpGrows(t *testing.T) {
	deep(200, func() {
		for range 300 {
			began, end := make(chan struct{}), make(chan struct{})
			go deep(60, func() { close(began); <-end })
			<-began
			t.Cleanup(func() { close(end) })
		}
		first := minDump + runtime.NumGoroutine()*perGoroutine
		require.Greater(t, len(dump(maxDump)), first)
	})
}

//go:noinline
func deep(n int, do func()) {
	if n > 0 {
		deep(n-1, do)
		return
	}
	do()
}
