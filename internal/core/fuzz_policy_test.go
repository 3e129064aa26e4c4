package core

import (
	"fmt"
	"time"
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
		j.Limiters = someLimiters(d.s)
	}
	if rules&192 == 192 {
		j.Group = d.someGroup()
	}
}

// someLimiters makes up in which order a job asks which.
func someLimiters(s chooser) []any {
	return [][]any{
		{"x"}, {"y"}, {"x", "z"}, {"y", "z"},
		{"z"}, {"x", "y"}, {"y", "x"}, {"z", "x", "y"},
	}[s.below(8)]
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
