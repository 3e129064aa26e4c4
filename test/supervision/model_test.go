package supervision_test

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray"
)

// A model is OTP's supervisor as its source has it (lib/stdlib/src/supervisor.erl):
// one thing after the other, recursive, no concurrency, no cleverness.
type model struct {
	strategy dray.Strategy
	auto     dray.AutoShutdown
	limit    int
	period   time.Duration
	parts    []*part
	forgot   []*part     // temporary ones that were there from the beginning, and have ended
	times    []time.Time // of restarts
	self     *part       // of the parent; nil at the top
	parent   *model      // nil at the top
	up       bool
	crashed  bool // ended by the intensity or a failed first start
	log      func(what, who string)
}

type part struct {
	dray.Child
	up       bool
	fails    int    // so many next starts fail
	sub      *model // nil for a leaf
	restarts uint64 // that its failures have led to
	place    int    // in the order in which all were made
	given    bool   // from the beginning
}

// init starts all, or stops again what was started.
func (m *model) init() bool {
	m.times, m.up, m.crashed = nil, true, false
	m.parts, m.forgot = append(m.parts, m.forgot...), nil // OTP reads its specifications again
	slices.SortFunc(m.parts, func(a, b *part) int { return a.place - b.place })
	for _, p := range m.parts {
		p.restarts = 0
	}
	for _, p := range m.parts {
		if !m.start(p) {
			m.stop()
			m.crashed = true
			return false
		}
	}
	return true
}

func (m *model) start(p *part) bool {
	switch {
	case p.sub != nil:
		p.up = p.sub.init()
	case p.fails > 0:
		p.fails--
		m.log("fail", p.Name)
	default:
		p.up = true
		m.log("start", p.Name)
	}
	return p.up
}

func (m *model) stop() {
	m.terminateParts(slices.Clone(m.parts))
	m.up = false
}

// terminateParts stops, in reverse. A temporary child that was up is gone then.
func (m *model) terminateParts(parts []*part) {
	for _, p := range slices.Backward(parts) {
		if m.terminatePart(p) && p.Restart == dray.Temporary {
			m.forget(p)
		}
	}
}

func (m *model) terminatePart(p *part) bool {
	if !p.up {
		return false
	}
	if p.sub != nil {
		p.sub.stop()
	} else {
		m.log("stop", p.Name)
	}
	p.up = false
	return true
}

func (m *model) forget(p *part) {
	if p.given {
		m.forgot = append(m.forgot, p)
	}
	m.parts = slices.DeleteFunc(m.parts, func(q *part) bool { return p == q })
}

// exit is handle_info({'EXIT', ...}).
func (m *model) exit(p *part, normal bool) {
	p.up = false
	if p.Restart == dray.Permanent || p.Restart == dray.Transient && !normal {
		m.restart(p)
		return
	}
	if p.Restart == dray.Temporary {
		m.forget(p)
	}
	m.autoShutdown(p)
}

// restart is restart/2 and, in its loop, the cast try_again_restart.
func (m *model) restart(p *part) {
	for p != nil {
		if !m.addRestart() {
			m.end(false)
			return
		}
		p.restarts++
		switch m.strategy {
		case dray.OneForOne:
			if m.start(p) {
				return
			}
		case dray.RestForOne:
			p = m.restartParts(slices.Clone(m.parts[slices.Index(m.parts, p):]))
		case dray.OneForAll:
			p = m.restartParts(slices.Clone(m.parts))
		}
	}
}

// restartParts returns the child whose start failed.
func (m *model) restartParts(parts []*part) *part {
	m.terminateParts(parts)
	for _, p := range parts {
		if slices.Contains(m.parts, p) && !m.start(p) {
			return p
		}
	}
	return nil
}

func (m *model) addRestart() bool {
	now := time.Now()
	m.times = slices.DeleteFunc(m.times, func(t time.Time) bool { return now.Sub(t) > m.period })
	m.times = append(m.times, now)
	return len(m.times) <= m.limit
}

func (m *model) autoShutdown(p *part) {
	if !p.Significant || m.auto == dray.AllSignificant &&
		slices.ContainsFunc(m.parts, func(q *part) bool { return q.Significant && q.up }) {
		return
	}
	m.end(true)
}

// end is the supervisor's own end, which is its parent's business.
func (m *model) end(normal bool) {
	m.stop()
	m.crashed = !normal
	if m.parent != nil {
		m.parent.exit(m.self, normal)
	}
}

// The calls report success.

func (m *model) add(p *part) bool {
	if m.find(p.Name) != nil || !m.start(p) {
		return false
	}
	m.parts = append(m.parts, p)
	return true
}

func (m *model) terminateByName(name string) bool {
	p := m.find(name)
	if p == nil {
		return false
	}
	if m.terminatePart(p); p.Restart == dray.Temporary {
		m.forget(p)
	}
	return true
}

func (m *model) removeByName(name string) bool {
	p := m.find(name)
	if p == nil {
		return false
	}
	m.terminatePart(p)
	p.given = false // for good
	m.forget(p)
	return true
}

func (m *model) restartByName(name string) bool {
	p := m.find(name)
	if p == nil {
		return false
	}
	m.terminatePart(p)
	if m.start(p) {
		return true
	}
	if p.Restart == dray.Temporary {
		m.forget(p)
	}
	return false
}

func (m *model) find(name string) *part {
	i := slices.IndexFunc(m.parts, func(p *part) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return m.parts[i]
}
