package core

import (
	"math"
	"time"

	"github.com/stretchr/testify/require"
)

// The rarer commands of a duel.

func (d *duel) rareBoth() {
	switch d.s.below(10) {
	case 8:
		if d.reading == nil {
			d.readBoth()
		}
	case 9:
		d.advanceSomeBoth()
	case 7:
		d.restartBoth()
	case 4:
		d.cancelKeyBoth()
	case 5:
		d.cancelKindBoth()
	case 6:
		d.dropFailureBoth()
	case 0:
		d.withdrawBoth()
	case 1:
		d.requeueBoth()
	case 2: // time passes, but the owner has not got round to looking
		d.now += time.Second
		d.model.now += time.Second
	default:
		d.handOverBoth()
	}
}

func (d *duel) withdrawBoth() {
	if d.c.blocked.len() == 0 {
		return
	}
	blocked := d.c.blocked.all()
	j := blocked[d.s.below(len(blocked))]
	d.note("withdraw %s", j.Label)
	d.model.withdraw(j.Label)
	d.model.follow()
	d.do(func(c *Core) {
		require.True(d.t, c.Withdraw(j))
		require.False(d.t, c.Withdraw(j))
	})
}

func (d *duel) requeueBoth() {
	id := uint64(max(int(d.last)-d.s.below(12), 0))
	d.note("requeue %d", id)
	want, wantFound := d.model.requeue(id)
	d.model.follow()
	v, found := d.requeue(id)
	require.Equal(d.t, wantFound, found, "%s", d)
	require.Equal(d.t, want, v, "%s", d)
}

func (d *duel) tokenBoth() {
	key := string(rune('x' + d.s.below(3)))
	l := d.limit(key)
	if l == nil || !l.asking {
		return
	}
	if d.s.below(8) == 0 {
		d.note("limiter %s fails", key)
		want := d.model.failLimiter(key)
		d.do(func(c *Core) { require.Equal(d.t, want, c.Fail(l), "%s", d) })
		return
	}
	d.note("token %s", key)
	d.model.grant(key)
	d.grant(key)
}

func (d *duel) groupBoth() {
	g := d.someGroup()
	if d.s.below(3) > 0 {
		d.note("close %v", g.Ref)
		d.model.group(g).closed = true
		d.model.follow()
		d.do(func(c *Core) { c.CloseGroup(g) })
		return
	}
	s := d.span()
	d.note("cancel %v %+v", g.Ref, *s)
	want := *s
	n := d.model.cancelGroup(g.Ref.(string), &want) //nolint:forcetypeassert // a name
	d.model.follow()
	d.do(func(c *Core) { require.Equal(d.t, n, c.CancelGroup(g, s, d.now), "%s", d) })
	require.Equal(d.t, want, *s, "%s", d)
}

// whole is a span of all jobs there are.
func whole() *Span { return &Span{UpTo: math.MaxUint64, Limit: math.MaxInt} }

// span makes up a part of an operation: of the whole, mostly, or what is left of it after
// anything has happened.
func (d *duel) span() *Span {
	if d.s.below(2) == 0 {
		return whole()
	}
	after := d.s.below(int(d.last) + 1)
	return &Span{After: uint64(after), UpTo: uint64(after + d.s.below(8)), Limit: 1 + d.s.below(3)}
}

// cancelBothAll gives a part of an operation to both: what it says is to be the same.
func (d *duel) cancelBothAll(what string, match func(*mjob) bool, cancel func(c *Core, s *Span) int) {
	s := d.span()
	d.note("cancel %s %+v", what, *s)
	want := *s
	n := d.model.cancelAll(match, &want)
	d.model.follow()
	d.do(func(c *Core) { require.Equal(d.t, n, cancel(c, s), "%s", d) })
	require.Equal(d.t, want, *s, "%s", d)
}

func (d *duel) cancelKeyBoth() {
	key := []string{"k", "l", "m", ""}[d.s.below(4)]
	d.cancelBothAll("key "+key, func(j *mjob) bool { return key != "" && j.Key == key },
		func(c *Core, s *Span) int { return c.CancelKey(key, s, d.now) })
}

func (d *duel) cancelKindBoth() {
	kind := string(rune('a' + d.s.below(2)))
	d.cancelBothAll("kind "+kind, func(j *mjob) bool { return j.Kind == kind },
		func(c *Core, s *Span) int { return c.CancelKind(kind, s, d.now) })
}

func (d *duel) dropFailureBoth() {
	id := uint64(max(int(d.last)-d.s.below(12), 0))
	d.note("drop failure %d", id)
	want := d.model.dropFailure(id)
	require.Equal(d.t, want, d.c.DropFailure(id))
	if d.s.below(4) == 0 {
		require.Equal(d.t, len(d.model.fails), d.c.DropFailures())
		d.model.fails = nil
	}
}

// shutdownBoth cancels what runs, and lets nothing more start.
func (d *duel) shutdownBoth() {
	d.do(func(c *Core) { c.SetStopped(true); c.InterruptAll(d.now) })
	d.model.shutdown()
	d.compare()
}

// restartBoth is the end of one Serve, in which some jobs return and others do not,
// and the beginning of the next.
func (d *duel) restartBoth() {
	d.note("shut down")
	d.shutdownBoth()
	for range d.s.below(4) {
		switch d.s.below(4) {
		case 0:
			d.claimBoth()
		case 1:
			d.cancelBoth()
		default:
			d.settleBoth(d.s.below(8))
		}
		d.compare()
		d.check()
	}
	d.note("serve again")
	d.do(func(c *Core) { c.SetStopped(false); c.Open() })
	d.model.closed = false
}

// handOverBoth is a hard stop, after which another queue takes over.
func (d *duel) handOverBoth() {
	d.note("hand over")
	d.reading = nil
	for d.c.blocked.len() > 0 {
		d.withdrawBoth()
	}
	d.shutdownBoth()
	for d.busy() != nil {
		d.settleBoth(d.s.below(8))
		d.compare()
		d.check()
	}
	d.model = d.model.handOver()
	d.handOver()
	d.ages = [2]int{}
}
