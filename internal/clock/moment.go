package clock

import "time"

// A Moment is what the events of one step are told by: one look at the clock, at the first
// of them.
type Moment struct {
	*Reference
	Now time.Time
}

// Look makes the moment that of now, unless it was made before.
func (m *Moment) Look(c *Clock, now time.Duration) {
	if m.Reference == nil {
		m.Reference = c.Reference()
		m.Now = m.Tell(now)
	}
}
