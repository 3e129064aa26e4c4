package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	parser "github.com/netresearch/go-cron"

	"github.com/a622d8ee/dray"
)

// Parse reads an expression, to be matched against local time unless it names a zone itself. Of
// several rules all hold. An error is a [*Error]: of syntax, of a value out of range, of an
// unknown zone or rule, or that the expression matches no day at all, such as 30 February.
func Parse(expr string, dst ...dray.DST) (dray.Schedule, error) {
	return ParseIn(expr, time.Local, dst...)
}

// ParseIn is [Parse] in the given zone; nil is an error.
func ParseIn(expr string, loc *time.Location, dst ...dray.DST) (dray.Schedule, error) {
	p := parse{expr: expr, rest: expr}
	if loc == nil {
		return nil, p.fail(Expression, 0, expr, errors.New("nil location"))
	}
	var rules dray.DST
	for _, d := range dst {
		rules |= d
	}
	if rules > dray.SkipGap|dray.RepeatFold {
		return nil, p.fail(Expression, 0, expr, fmt.Errorf("DST(%d): no such rule", uint8(rules)))
	}
	loc, err := p.zone(loc)
	if err != nil {
		return nil, err
	}
	if p.trim(); strings.HasPrefix(p.rest, "@") {
		return p.descriptor(loc, rules)
	}
	return p.fields(loc, rules)
}

// MustParse is [Parse] for expressions that are part of the program: it panics
// where Parse returns an error.
func MustParse(expr string, dst ...dray.DST) dray.Schedule {
	s, err := Parse(expr, dst...)
	if err != nil {
		panic(err)
	}
	return s
}

// readings is an expression as the parser reads it, asked with readings of the
// clock written in UTC, for dray.InZone.
type readings struct {
	*parser.SpecSchedule
	expr string
}

// String returns the expression as it was read, without its zone.
func (r readings) String() string { return r.expr }

// maxYears is how far ahead a match is looked for: 29 February on one day of the
// week comes every 40 years at worst, where a leap day is left out in between.
const maxYears = 41

// The parsers of the five fields, of which one wants both days to match. What they read are lists
// of values: see expand. Which one an expression needs depends on its stars: see isStar.
var (
	bothDays = parser.MustNewParser(parser.Minute | parser.Hour | parser.Dom | parser.Month | parser.Dow |
		parser.Extended).WithMaxSearchYears(maxYears)
	eitherDay = parser.MustNewParser(parser.Minute | parser.Hour | parser.Dom | parser.Month | parser.Dow |
		parser.Extended | parser.DowOrDom).WithMaxSearchYears(maxYears)
)

// maxLength bounds an expression, far above any that means something.
const maxLength = 1024

// parse is an expression on its way: rest is what has not been read yet, and always an end of
// expr, so that where a part stands is known from the lengths alone.
type parse struct{ expr, rest string }

// trim goes over blanks.
func (p *parse) trim() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

// at is where rest begins, in bytes of expr.
func (p *parse) at() int { return len(p.expr) - len(p.rest) }

// fail returns an *Error about a part of the expression that stands at at.
func (p *parse) fail(f Field, at int, text string, err error) error {
	return &Error{Expr: p.expr, Field: f, Offset: at, Text: text, Err: err}
}

// zone takes the prefix that names a zone, and returns that, or loc without one. It comes first,
// so it is here that an expression is refused which is too long.
func (p *parse) zone(loc *time.Location) (*time.Location, error) {
	if len(p.expr) > maxLength {
		p.expr = p.expr[:32] + "…" // an error keeps no more of it
		return nil, p.fail(Expression, 0, p.expr, fmt.Errorf("longer than %d bytes", maxLength))
	}
	p.trim()
	name, isZone := strings.CutPrefix(p.rest, "CRON_TZ=")
	if !isZone {
		name, isZone = strings.CutPrefix(p.rest, "TZ=")
	}
	if !isZone {
		return loc, nil
	}
	begin := len(p.expr) - len(name)
	end := strings.IndexFunc(name, unicode.IsSpace)
	if end < 0 {
		return nil, p.fail(Expression, len(p.expr), "", errors.New("nothing after the time zone"))
	}
	name, p.rest = name[:end], name[end:]
	if name == "" {
		return nil, p.fail(Zone, begin, name, errors.New("empty name"))
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, p.fail(Zone, begin, name, err)
	}
	return loc, nil
}

// shorthands are the descriptors that stand for fields. All have a star for one of the days, so
// both have to match: see isStar.
var shorthands = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// descriptor reads what begins with @ and takes the place of the fields. An interval has no zone,
// and no days on which the clocks change.
func (p *parse) descriptor(loc *time.Location, rules dray.DST) (dray.Schedule, error) {
	text := strings.TrimRightFunc(p.rest, unicode.IsSpace)
	name := strings.ToLower(text)
	if i := strings.IndexFunc(text, unicode.IsSpace); i > 0 && name[:i] == "@every" {
		d := strings.TrimLeftFunc(text[i:], unicode.IsSpace)
		every, err := time.ParseDuration(d)
		if err == nil && every <= 0 {
			err = errors.New("must be positive")
		}
		if err != nil {
			return nil, p.fail(Descriptor, p.at()+len(text)-len(d), d, err)
		}
		return dray.Every(every), nil
	}
	fields, ok := shorthands[name]
	if !ok {
		return nil, p.fail(Descriptor, p.at(), text, errors.New("unknown"))
	}
	spec, err := bothDays.Parse(fields)
	return dray.InZone(readings{spec.(*parser.SpecSchedule), text}, loc, rules), err
}

// fields reads the five fields. Each is checked by itself, so that an error names the field, and
// is then put before the parser as a list of values, which leaves it no choice of what a range
// means.
func (p *parse) fields(loc *time.Location, rules dray.DST) (dray.Schedule, error) {
	begin := p.at()
	words := strings.Fields(p.rest)
	if len(words) != len(fieldNames) {
		return nil, p.fail(Expression, begin, p.rest, fmt.Errorf("%d fields, want %d: %s",
			len(words), len(fieldNames), strings.Join(fieldNames[:], ", ")))
	}
	var offsets [len(fieldNames)]int
	var lists [len(fieldNames)]string
	for i, w := range words {
		// Found from where the field before has ended: the same word may stand in several fields.
		offsets[i] = begin + strings.Index(p.expr[begin:], w)
		var err error
		if lists[i], err = checkField(i, w); err != nil {
			return nil, p.fail(Field(i+1), offsets[i], w, err)
		}
		begin = offsets[i] + len(w)
	}
	// As in Vixie cron, a day field that begins with a star is not restricted, and then both have
	// to match.
	days := eitherDay
	if isStar(words[2]) || isStar(words[4]) {
		days = bothDays
	}
	spec, err := days.Parse(strings.Join(lists[:], " "))
	if err != nil {
		return nil, p.fail(Expression, p.at(), p.rest, err)
	}
	r := readings{spec.(*parser.SpecSchedule), strings.Join(words, " ")}
	// From a fixed time, so that the answer does not depend on when the program runs.
	if r.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, p.fail(DayOfMonth, offsets[2], words[2], errors.New("matches no day of these months"))
	}
	return dray.InZone(r, loc, rules), nil
}

// checkField returns a field as a list of values, or says what is wrong with it, for which it has
// the list parsed among stars. The error names no field and no position: fields adds them.
func checkField(i int, text string) (string, error) {
	list, err := spans[i].expand(text)
	if err != nil {
		return "", err
	}
	words := []string{"*", "*", "*", "*", "*"}
	words[i] = list
	if _, err = bothDays.Parse(strings.Join(words, " ")); err == nil {
		return list, nil
	}
	if short, ok := strings.CutSuffix(err.Error(), fmt.Sprintf(": %q", text)); ok {
		return "", errors.New(short) // the text is told anyway
	}
	return "", err
}
