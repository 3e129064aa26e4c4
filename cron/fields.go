package cron

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// span is what a field may have. Immutable.
type span struct {
	low, high int      // the least and the greatest value that may be written
	names     []string // of low, low+1 and so on; nil if it has none
	cycle     int      // after how many the values begin again: fewer than may be written where 0 and 7 are one day
}

// spans are the fields, in order. Sunday is 0, and 7 as well.
var spans = [len(fieldNames)]span{
	{0, 59, nil, 60},
	{0, 23, nil, 24},
	{1, 31, nil, 31},
	{1, 12, strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"), 12},
	{0, 7, strings.Fields("SUN MON TUE WED THU FRI SAT"), 7},
}

// isStar reports whether a field is not restricted, as cron has it: by its first character alone,
// so a star with a step is not restricted either.
func isStar(text string) bool { return strings.HasPrefix(text, "*") || strings.HasPrefix(text, "?") }

// expand writes a field as a list of values, and of what depends on the month. So the parser gets
// no ranges and steps, and the rules for these are this package's alone. The list names each value
// once, in ascending order, behind what depends on the month.
func (s span) expand(text string) (string, error) {
	var values [60]bool
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if s.depends(item) {
			list = append(list, item)
		} else if err := s.add(&values, item); err != nil {
			return "", err
		}
	}
	for v, there := range values {
		if there {
			list = append(list, strconv.Itoa(v))
		}
	}
	return strings.Join(list, ","), nil
}

// depends reports whether an item is of the kinds that only a month gives a value: L, L-3, 15W,
// LW, FRI#3, FRI#L. What of them is valid the parser says. The field is told by its greatest
// value.
func (s span) depends(item string) bool {
	switch s.high {
	case 31:
		item = strings.ToUpper(item)
		return strings.HasPrefix(item, "L") || strings.HasSuffix(item, "W")
	case 7:
		return strings.Contains(item, "#")
	}
	return false
}

// add adds the values of a range, with or without a step. values is for all fields, of which
// minutes have the most; a value is its index.
func (s span) add(values *[60]bool, item string) error {
	if item == "" {
		return errors.New("empty item in a list")
	}
	text, stepText, stepped := strings.Cut(item, "/")
	from, to, err := s.bounds(text, stepped)
	if err != nil {
		return err
	}
	step := 1
	if stepped {
		if step, err = number(stepText); err != nil {
			return fmt.Errorf("step: %w", err)
		}
		if step == 0 {
			return errors.New("a step of 0")
		}
	}
	if from > to { // across the end
		from = s.wrap(from) // 7 is Sunday, and 7-2 the same as 0-2
		if from > to {
			to += s.cycle
		}
	}
	// to may be beyond the greatest value, by less than a cycle: wrap takes such a value back.
	for v := from; v <= to; v += step {
		values[s.wrap(v)] = true
	}
	return nil
}

// wrap returns the value that v is when counting goes on across the end: from low on, below
// low+cycle.
func (s span) wrap(v int) int { return (v-s.low)%s.cycle + s.low }

// bounds reads what is before a step: all, one value, or a range. One value with a
// step is a range up to the end. from may be greater than to: then the range goes across the end.
func (s span) bounds(text string, stepped bool) (from, to int, err error) {
	if text == "*" || text == "?" {
		return s.low, s.low + s.cycle - 1, nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if from, err = s.value(first); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		to, err = s.value(last)
	case stepped:
		to = s.high
	default:
		to = from
	}
	return from, to, err
}

// value reads a number or a name, in any case of letters. It is from low to high.
func (s span) value(text string) (int, error) {
	if i := slices.IndexFunc(s.names, func(name string) bool { return strings.EqualFold(name, text) }); i >= 0 {
		return s.low + i, nil
	}
	v, err := number(text)
	switch {
	case err != nil:
		return 0, err
	case v < s.low:
		return 0, fmt.Errorf("%d is below the minimum of %d", v, s.low)
	case v > s.high:
		return 0, fmt.Errorf("%d is above the maximum of %d", v, s.high)
	}
	return v, nil
}

// number reads digits, and nothing else: no sign, no blank. Zeros in front are allowed, as 05 is
// common.
func number(text string) (int, error) {
	const most = 9 // digits that fit
	if text == "" {
		return 0, errors.New("a number is missing")
	}
	if strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no number and no name", text)
	}
	if digits := strings.TrimLeft(text, "0"); len(digits) > most {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return strconv.Atoi(text)
}
