package sorted

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"
)

func key(i int) Key { return Key{Major: int64(i >> 2), Minor: uint64(i & 3)} }

func keys(l *List[int]) (all []int) {
	for k, v := range l.All() {
		all = append(all, int(k.Major*4)+int(k.Minor))
		if all[len(all)-1] != v {
			panic("a value of another key")
		}
	}
	return all
}

// A pair is a list and its model, a map.
type pair struct {
	t     require.TestingT
	list  List[int]
	model map[int]bool
}

func (p *pair) put(i int) {
	p.list.Put(key(i), i)
	p.model[i] = true
}

func (p *pair) delete(i int) {
	require.Equal(p.t, p.model[i], p.list.Has(key(i)))
	require.Equal(p.t, p.model[i], p.list.Delete(key(i)))
	delete(p.model, i)
}

func (p *pair) pop() {
	_, first, there := p.list.First()
	_, v, ok := p.list.Pop()
	require.Equal(p.t, len(p.model) > 0, ok)
	require.Equal(p.t, there, ok)
	if ok {
		require.Equal(p.t, first, v)
		require.True(p.t, p.model[v])
		delete(p.model, v)
	}
}

func (p *pair) check() {
	want := slices.Sorted(maps.Keys(p.model))
	require.Equal(p.t, len(want), p.list.Len())
	require.True(p.t, slices.Equal(want, keys(&p.list)))
	for i, b := range p.list.blocks {
		n := len(b.all) - b.off
		require.LessOrEqual(p.t, n, blockLen)
		require.True(p.t, n > 0 || i == 0 && p.list.n == 0, "an empty block")
	}
}

// after compares an iteration that goes on from a key, which may not be there.
func (p *pair) after(i int) {
	want := slices.Sorted(maps.Keys(p.model))
	at, found := slices.BinarySearch(want, i)
	if i < len(want) && at <= exactBlocks*blockLen/4 {
		require.Equal(p.t, at, p.list.Rank(key(i)))
	}
	if found {
		at++
	}
	var got []int
	for _, v := range p.list.After(key(i)) {
		if got = append(got, v); len(got) == 10 {
			break
		}
	}
	require.True(p.t, slices.Equal(want[at:min(at+10, len(want))], got))
}

// play interprets each three bytes as a command and a number.
func play(t require.TestingT, script []byte) {
	p := pair{t: t, model: map[int]bool{}}
	next := 0
	for ; len(script) > 2; script = script[3:] {
		i := int(script[1])<<3 + int(script[2])%8
		switch script[0] % 8 {
		case 0, 1: // at the end
			for range i {
				next += 1 + int(script[2])%3
				p.put(next)
			}
		case 2:
			p.put(i)
		case 3:
			for k := range i / 8 {
				p.put(i + k*int(script[2]))
			}
		case 4:
			p.delete(i)
		case 5:
			for k := range i {
				p.delete(i + k)
			}
		case 6:
			for range i {
				p.pop()
			}
		case 7:
			p.after(i)
		}
		p.check()
	}
}

func TestListIsTheMap(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 240)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		play(t, script)
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte{0, 255, 0, 5, 40, 1, 6, 9, 0, 7, 100, 3, 2, 60, 1})
	f.Fuzz(func(t *testing.T, script []byte) { play(t, script[:min(len(script), 300)]) })
}

func TestRankOfALongList(t *testing.T) {
	const n = 100_000
	var l List[int]
	for i := range n {
		l.Put(key(i), i)
	}
	for i := 0; i < n; i += 999 {
		require.InDelta(t, i, l.Rank(key(i)), blockLen)
	}
}

func TestSteadyStateAllocatesNextToNothing(t *testing.T) {
	for _, there := range []int{0, 1, 10, 1000} {
		var l List[int]
		i := 0
		for ; i < there; i++ {
			l.Put(key(i), i)
		}
		round := func() {
			l.Put(key(i), i)
			l.Pop()
			i++
		}
		for range 2 * blockLen {
			round()
		}
		allocs := testing.AllocsPerRun(1, func() {
			for range 10 * blockLen {
				round()
			}
		})
		most := 0.0
		if there > blockLen { // a block goes, and another one comes in its room, whose header may need some
			most = 3
		}
		require.LessOrEqual(t, allocs, most, "with %d there", there)
	}
}

// Also where the newest comes and goes behind blocks that are all full.
func TestNewestThatComesAndGoesAllocatesNothing(t *testing.T) {
	for _, there := range []int{blockLen - 1, blockLen, blockLen + 1, 2 * blockLen, 3*blockLen + 7} {
		var l List[int]
		for i := range there {
			l.Put(key(i), i)
		}
		allocs := testing.AllocsPerRun(100, func() {
			l.Put(key(there), there)
			require.True(t, l.Delete(key(there)))
		})
		require.Zero(t, allocs, "with %d there", there)
	}
}

// inUse returns how many bytes are in use more after f than before.
func inUse(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// Whichever are left of very many: their memory is in proportion to them.
func TestMemoryIsGivenBack(t *testing.T) {
	const n = 200_000
	for _, every := range []int{blockLen, 10, n} {
		var l List[int]
		bytes := inUse(func() {
			for i := range n {
				l.Put(key(i), i)
			}
			for _, i := range rand.Perm(n) {
				if i%every != 0 {
					require.True(t, l.Delete(key(i)))
				}
			}
		})
		require.Less(t, bytes, int64(24*8*(n/every)+64<<10), "one of %d is left", every)
		runtime.KeepAlive(&l)
	}
}

func TestWhatIsTakenOutIsLetGo(t *testing.T) {
	var l List[*[100]int]
	l.Put(key(0), new([100]int))
	l.Put(key(9), new([100]int))
	add := func(i int) weak.Pointer[[100]int] {
		v := new([100]int)
		l.Put(key(i), v)
		return weak.Make(v)
	}
	first, middle := add(-1), add(5)
	for i := range 3 * blockLen {
		l.Put(key(10+i), nil)
	}
	require.True(t, l.Delete(key(5)))
	for range blockLen {
		_, _, ok := l.Pop()
		require.True(t, ok)
	}
	runtime.GC()
	require.Nil(t, first.Value())
	require.Nil(t, middle.Value())
	runtime.KeepAlive(&l)
}
