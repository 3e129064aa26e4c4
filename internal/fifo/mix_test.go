package fifo

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A mix is a list and what should be in it.
type mix struct {
	list List[record]
	want []Entry[record]
}

func (m *mix) push(e Entry[record]) {
	m.list.Push(e)
	m.want = append(m.want, e)
}

func (m *mix) numberOf(j *record) uint64 {
	for number, e := range m.list.From(0) {
		if e.Job == j {
			return number
		}
	}
	panic("not there")
}

// checkNumbers looks from every tenth entry on at the next ones.
func (m *mix) checkNumbers(t *testing.T) {
	t.Helper()
	i := 0
	for number := range m.list.From(0) {
		if i%97 == 0 {
			k := i
			for n, e := range m.list.From(number) {
				require.True(t, k > i || n == number)
				same(t, m.want[k], e)
				if k++; k == i+3 {
					break
				}
			}
		}
		i++
	}
	require.Equal(t, len(m.want), i)
	for number := range m.list.From(m.list.Next()) {
		require.Fail(t, "behind the end", "%d", number)
	}
	first := slices.IndexFunc(m.want, func(e Entry[record]) bool { return e.Job == nil })
	e, ok := m.list.FirstBare()
	require.Equal(t, first >= 0, ok)
	if ok {
		same(t, m.want[first], e)
	}
}

// check compares the list with what should be in it, entry by entry.
func (m *mix) check(t *testing.T) {
	t.Helper()
	require.Len(t, m.want, m.list.Len())
	i := 0
	for e := range m.list.All() {
		same(t, m.want[i], e)
		i++
	}
	require.Equal(t, len(m.want), i)
	m.checkNumbers(t)
}

func same(t *testing.T, want, got Entry[record]) {
	t.Helper()
	if name(want) == name(got) && (want.Job != nil || want.ID == got.ID && want.At == got.At) {
		return // require.Equal is too slow for millions
	}
	require.Equal(t, want, got)
}

// TestMixAgreesWithSlices does whatever a list can do, in every order, and
// compares it with a plain slice.
func TestMixAgreesWithSlices(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var box, line mix
		id, at := uint64(0), time.Duration(0)
		for range 200 {
			switch rnd.IntN(6) {
			case 0, 1:
				at += time.Duration(rnd.IntN(3)) * time.Duration(rnd.IntN(2000)) * time.Microsecond
				for range rnd.IntN(300) {
					id += 1 + uint64(rnd.IntN(40)/39)
					if rnd.IntN(20) == 0 {
						box.push(ruled(id))
					} else {
						box.push(plain(id, at))
					}
				}
			case 2:
				line.list.Append(&box.list)
				line.want, box.want = append(line.want, box.want...), nil
			case 3:
				for range rnd.IntN(400) {
					e, ok := line.list.Pop()
					require.Equal(t, len(line.want) > 0, ok)
					if ok {
						same(t, line.want[0], e)
						line.want = line.want[1:]
					}
				}
			case 4:
				line.removeSome(t, rnd)
			case 5: // what is in the box came before it
				line.list.Append(&box.list)
				line.want, box.want = append(line.want, box.want...), nil
				id++
				line.push([]Entry[record]{plain(id, at), ruled(id)}[rnd.IntN(2)])
			}
			box.check(t)
			line.check(t)
		}
	}
}

// removeSome takes out a few entries, wherever they are.
func (m *mix) removeSome(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	for range rnd.IntN(30) {
		if len(m.want) == 0 {
			return
		}
		i := rnd.IntN(len(m.want))
		e, ok := m.list.Remove(m.want[i].ID)
		require.Equal(t, m.want[i].Job == nil, ok)
		if ok {
			same(t, m.want[i], e)
		} else {
			m.list.RemoveJob(m.numberOf(m.want[i].Job))
		}
		m.want = slices.Delete(m.want, i, i+1)
	}
}
