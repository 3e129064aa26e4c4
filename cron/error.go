package cron

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Field is a part of an expression. The five fields have the values from Minute on, in their order.
type Field uint8

// The parts of an expression.
const (
	Expression Field = iota // all of it
	Minute
	Hour
	DayOfMonth
	Month
	DayOfWeek
	Zone       // the name after TZ= or CRON_TZ=
	Descriptor // what begins with @
)

var fieldNames = [...]string{"minute", "hour", "day of month", "month", "day of week"}

// String returns the name of the field as in the package documentation; "expression" for what is
// no field.
func (f Field) String() string {
	switch {
	case f >= Minute && f <= DayOfWeek:
		return fieldNames[f-1]
	case f == Zone:
		return "time zone"
	case f == Descriptor:
		return "descriptor"
	}
	return "expression"
}

// Error says what is wrong with an expression, and where.
type Error struct {
	Expr   string // the whole expression
	Field  Field  // the part that is wrong
	Offset int    // where that begins in Expr, in bytes
	Text   string // the part itself
	Err    error  // what is wrong with it
}

// Error returns the expression, the part and the reason in one line. The part is left out where
// it is the whole expression.
func (e *Error) Error() string {
	if e.Field == Expression {
		return fmt.Sprintf("cron: %q: %v", e.Expr, e.Err)
	}
	return fmt.Sprintf("cron: %q: %v %q: %v", e.Expr, e.Field, e.Text, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Pointer returns the expression and, in a second line, marks below the part that
// is wrong, for terminals: one mark for each character, at least one.
func (e *Error) Pointer() string {
	before, marked := utf8.RuneCountInString(e.Expr[:e.Offset]), utf8.RuneCountInString(e.Text)
	return e.Expr + "\n" + strings.Repeat(" ", before) + strings.Repeat("^", max(marked, 1))
}
