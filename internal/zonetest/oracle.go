package zonetest

import "time"

// Rules are the choices for the days on which the clocks change.
type Rules struct {
	SkipGap    bool // a reading that does not exist is left out; else it counts when the clocks have gone over it
	RepeatFold bool // a reading that exists twice counts twice; else the first time alone
}

// memory is how long ago a reading may have been shown to be remembered.
const memory = 49 * 60 * 60

// Due returns the moments from one to another, exclusive, at which the clocks of
// loc show what matches, according to the rules. It goes through them all, by the
// minute where the clocks run evenly and by the second where they do not.
// Readings are whole minutes, written as times in UTC.
func Due(loc *time.Location, from, to time.Time, matches func(reading time.Time) bool, rules Rules) []time.Time {
	o := oracle{loc: loc, matches: matches, rules: rules, from: from.Unix(), to: to.Unix()}
	begin := o.from - memory
	o.last = begin - 1 + ahead(loc, begin-1)
	o.high = o.last
	for s := begin; s < o.to; s += 60 {
		o.minute(s)
	}
	return o.due
}

// oracle counts in seconds: of Unix time, and of what a clock shows likewise.
type oracle struct {
	loc        *time.Location
	matches    func(time.Time) bool
	rules      Rules
	from, to   int64
	last, high int64 // what the clocks have shown last, and at most
	due        []time.Time
}

// ahead is by how many seconds the clocks of a zone are ahead of UTC, as read off
// the clocks.
func ahead(loc *time.Location, s int64) int64 {
	t := time.Unix(s, 0).In(loc)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC).Unix() - s
}

// minute goes through the minute that begins at s.
func (o *oracle) minute(s int64) {
	first := s + ahead(o.loc, s)
	if even := first == o.last+1 && s+59+ahead(o.loc, s+59) == first+59; !even {
		for i := s; i < s+60; i++ {
			o.second(i, i+ahead(o.loc, i))
		}
		return
	}
	full := first + mod(-first, 60) // the one whole minute that it shows
	o.last = full - 1
	o.high = max(o.high, o.last)
	o.second(s+full-first, full)
	o.last = first + 59
	o.high = max(o.high, o.last)
}

// second is the moment s, at which the clocks show reading.
func (o *oracle) second(s, reading int64) {
	hit := o.counts(reading)
	if !o.rules.SkipGap {
		skipped := o.last + 1
		for skipped += mod(-skipped, 60); skipped < reading && !hit; skipped += 60 {
			hit = o.counts(skipped)
		}
	}
	if hit && s >= o.from && s < o.to {
		o.due = append(o.due, time.Unix(s, 0).In(o.loc))
	}
	o.last, o.high = reading, max(o.high, reading)
}

// counts reports whether the reading is one to run at.
func (o *oracle) counts(reading int64) bool {
	return mod(reading, 60) == 0 && (o.rules.RepeatFold || reading > o.high) && o.matches(time.Unix(reading, 0).UTC())
}

func mod(a, b int64) int64 { return (a%b + b) % b }
