// Package cron reads cron expressions as schedules for the periodic tasks of dray:
//
//	schedule, err := cron.ParseIn("30 2 * * MON-FRI", berlin)
//	if err != nil { … } // cron: "30 25 * * *": hour "25": 25 is above the maximum of 23
//	err = q.Scheduler().Schedule("report", schedule, report)
//
// # Expressions
//
// Five fields, separated by blanks:
//
//	field         values          besides
//	minute        0-59
//	hour          0-23
//	day of month  1-31            L, L-3, 15W, LW
//	month         1-12, JAN-DEC
//	day of week   0-7, SUN-SAT    FRI#3, FRI#L; 0 and 7 are Sunday
//
// Each is a list of values, ranges (9-17) and steps (*/15, 8-18/2, 5/10 for 5-59/10),
// or * or ? for all. A range may go across the end: 22-2 are the hours 22, 23, 0, 1
// and 2, and SAT-MON/2 is Saturday and Monday; days of the month are counted as if
// there were 31 in each. A step may be larger than its range, of which then only the
// first value is left: */60 is minute 0. Names are case-insensitive.
//
// # Two fields for days
//
// As in the crons of Unix systems (Vixie cron, cronie), a day field that begins with *
// or ? is not restricted, whatever follows. If either day field is so, a day has to
// match both: "0 0 */2 * FRI" is each Friday that is an odd day of its month, and
// "0 0 * * FRI" each Friday. If neither is, it is enough to match one: "0 0 13 * FRI"
// is each 13th and each Friday, and "0 0 1-31/2 * FRI" each odd day and each Friday.
// (Some libraries, such as robfig/cron, take a star with a step for a restriction.)
//
// L is the last day of the month, 15W the weekday nearest to the 15th, FRI#3 the
// third Friday.
//
// In place of the fields: @yearly or @annually, @monthly, @weekly, @daily or
// @midnight, @hourly, and "@every 1h30m", which is [dray.Every]. A prefix
// "CRON_TZ=Europe/Berlin " or "TZ=…" names the time zone, and goes before that of
// the call.
//
// # Days on which the clocks change
//
// The expression is matched against the clock on the wall, and dray sees to the
// rest: by default a time that does not exist runs when the clocks have gone
// forward over it, and one that exists twice runs the first time alone. That holds
// for expressions with many times a day as well: "*/10 * * * *" does not run in the
// hour that is repeated. Give [dray.RepeatFold] where it should. See [dray.DST].
//
// # Dependencies
//
// The lists of values that the fields come to, and L, W and # in them, are read by
// github.com/netresearch/go-cron, which is the only module that a program with this
// package links besides dray, and requires none itself.
package cron
