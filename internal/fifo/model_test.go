package fifo

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// want is an entry of the model.
type want struct {
	id    uint64
	at    time.Duration
	ruled bool
	moves int // each may cost less than another µs
}

// pair is a list and its model, a plain slice.
type pair struct {
	t     require.TestingT
	list  List[record]
	model []want
}

func (p *pair) push(w want) {
	if w.ruled {
		p.list.Push(Entry[record]{Job: &record{n: w.id}, ID: w.id, At: w.at})
	} else {
		p.list.Push(plain(w.id, w.at))
	}
	p.model = append(p.model, w)
}

func (p *pair) pop() {
	e, ok := p.list.Pop()
	require.Equal(p.t, len(p.model) > 0, ok)
	if ok {
		p.same(p.model[0], e)
		p.model = p.model[1:]
	}
}

func (p *pair) remove(id uint64) {
	i := slices.IndexFunc(p.model, func(w want) bool { return w.id == id && !w.ruled })
	e, ok := p.list.Remove(id)
	require.Equal(p.t, i >= 0, ok)
	if ok {
		p.same(p.model[i], e)
		p.model = slices.Delete(p.model, i, i+1)
	}
}

// batch appends bare entries that were filled before.
func (p *pair) batch(id *uint64, n int, now time.Duration) {
	var filled List[record]
	p.list.LendSpare(&filled)
	first := *id + 1
	for i := range n {
		*id++
		filled.PushBare(plain(*id, 0).Fn, uint64(i)+1, 0)
		p.model = append(p.model, want{id: *id, at: now, moves: 1})
	}
	filled.Rebase(first, now)
	p.list.Append(&filled)
	filled.LendSpare(&p.list)
	require.Zero(p.t, filled.Len())
}

func (p *pair) appendFrom(o *pair) {
	p.list.Append(&o.list)
	for _, w := range o.model {
		w.moves++
		p.model = append(p.model, w)
	}
	o.model = nil
}

// same compares by hand: testify on each of millions of entries takes minutes.
func (p *pair) same(w want, e Entry[record]) {
	late := w.at - e.At // cut off, never rounded up
	timely := late >= 0 && late < time.Duration(1+w.moves)*time.Microsecond
	if name(e) != w.id || w.ruled != (e.Job != nil) || !w.ruled && (e.ID != w.id || !timely) {
		require.Failf(p.t, "not the same entry", "want %+v, got %+v", w, e)
	}
}

func (p *pair) check() {
	if len(p.model) != p.list.Len() {
		require.Failf(p.t, "length", "want %d, got %d", len(p.model), p.list.Len())
	}
	i := 0
	for e := range p.list.All() {
		p.same(p.model[i], e)
		i++
	}
	require.Equal(p.t, len(p.model), i)
	if last := p.list.last; last != nil && last.nextID != 0 && !p.list.bare.is(p.list.bare.len()-1, last) {
		require.Fail(p.t, "a run goes on in a chunk that is not searched for bare functions")
	}
}

// play interprets each two bytes as a command and its size.
func play(t require.TestingT, script []byte) {
	box, line := pair{t: t}, pair{t: t}
	var id uint64
	var now time.Duration
	for ; len(script) > 1; script = script[2:] {
		n := int(script[1])
		p := &box
		if script[0]&0x80 != 0 {
			p = &line
		}
		switch script[0] % 8 {
		case 0, 1:
			if p == &line { // what is in the box came before it
				line.appendFrom(&box)
			}
			if script[0]&0x70 == 0x70 {
				p.batch(&id, 4*n, now)
				break
			}
			for i := range n {
				id++
				now += time.Duration(n) * 137 // ns, so that µs are cut off
				p.push(want{id: id, at: now, ruled: script[0]%8 == 1 && i%3 == 0})
			}
		case 2:
			for range n {
				p.pop()
			}
		case 3:
			line.appendFrom(&box)
		case 4:
			p.remove(id - uint64(n))
		case 5:
			if len(p.model) > 0 {
				p.remove(p.model[n%len(p.model)].id)
			}
		case 6:
			id += uint64(n) << 27 // up to 2^35: past what fits a slot
		case 7:
			now += time.Duration(n-100) * time.Minute // to and fro
		}
		p.check()
	}
	box.check()
	line.check()
}

func TestListIsTheSlice(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 120)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		play(t, script)
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte{0, 200, 3, 0, 130, 50})
	f.Add([]byte{0, 168, 128, 169, 3, 0, 1, 2, 3, 0, 130, 255, 130, 255})
	f.Add([]byte{0, 10, 5, 3, 5, 0, 3, 0, 129, 9, 133, 1, 6, 255, 0, 3, 7, 255, 0, 3, 3, 0, 130, 40})
	f.Fuzz(func(t *testing.T, script []byte) { play(t, script[:min(len(script), 200)]) })
}
