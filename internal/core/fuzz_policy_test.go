package core

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
)

// moreRules makes up those that few jobs have.
func (d *duel) moreRules(j *Job) {
	rules := d.s.below(256)
	if rules&7 == 1 {
		j.Within = time.Duration(1+d.s.below(60)) * time.Second
	}
	if rules&8 != 0 && j.Unique != "" {
		j.UniqueFor = time.Duration(d.s.below(40)) * time.Second
	}
	if rules&48 == 48 {
		j.Limiters = [][]any{{"x"}, {"y"}, {"x", "y"}, {"y", "x"}}[d.s.below(4)]
	}
	if rules&192 == 192 {
		j.Group = d.someGroup()
	}
}

// someGroup is one of two, or the successor of one that takes no more.
func (d *duel) someGroup() *Group {
	i := d.s.below(2)
	if g := d.group(fmt.Sprintf("g%d.%d", i, d.ages[i])); g.over() && d.s.below(4) > 0 {
		d.ages[i]++
	}
	g := d.group(fmt.Sprintf("g%d.%d", i, d.ages[i]))
	d.model.group(g)
	return g
}

func (d *duel) tokenBoth() {
	key := string(rune('x' + d.s.below(2)))
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
	d.note("cancel %v", g.Ref)
	want := d.model.cancelGroup(g.Ref.(string)) //nolint:forcetypeassert // a name
	d.model.follow()
	d.do(func(c *Core) { require.Equal(d.t, want, c.CancelGroup(g, d.now), "%s", d) })
}

func (d *duel) cancelKeyBoth() {
	key := []string{"k", "l", "m", ""}[d.s.below(4)]
	d.note("cancel key %s", key)
	want := d.model.cancelAll(func(j *mjob) bool { return key != "" && j.Key == key })
	d.model.follow()
	d.do(func(c *Core) { require.Equal(d.t, want, c.CancelKey(key, d.now), "%s", d) })
}

func (d *duel) cancelKindBoth() {
	kind := string(rune('a' + d.s.below(2)))
	d.note("cancel kind %s", kind)
	want := d.model.cancelAll(func(j *mjob) bool { return j.Kind == kind })
	d.model.follow()
	d.do(func(c *Core) { require.Equal(d.t, want, c.CancelKind(kind, d.now), "%s", d) })
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
