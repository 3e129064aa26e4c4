package report

import (
	"fmt"
	"math"
	"strconv"
)

// missing stands where there is no number.
const missing = "–"

// Ns returns a time, given in nanoseconds, with its unit and three digits.
func Ns(ns float64) string {
	return scaled(ns, 1000, "ns", "µs", "ms", "s")
}

// Bytes returns a number of bytes with its unit.
func Bytes(n float64) string { return scaled(n, 1024, "B", "KiB", "MiB", "GiB") }

// Count returns a large number shortened, such as 1.25 M.
func Count(n float64) string { return scaled(n, 1000, "", "k", "M", "G") }

// Ratio returns a ratio with as many digits as mean something.
func Ratio(r float64) string {
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return missing
	}
	if math.Abs(r) < 10 {
		return strconv.FormatFloat(r, 'f', 2, 64)
	}
	return strconv.FormatFloat(r, 'f', 1, 64)
}

// Percent returns a share, 0 to 1.
func Percent(share float64) string {
	if math.IsNaN(share) {
		return missing
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

// Number returns a plain number of three digits or more.
func Number(n float64) string {
	if math.IsNaN(n) {
		return missing
	}
	return digits(n)
}

func scaled(v, unit float64, units ...string) string {
	if math.IsNaN(v) {
		return missing
	}
	u := 0
	for math.Abs(v) >= unit*0.9995 && u < len(units)-1 {
		v /= unit
		u++
	}
	if units[u] == "" {
		return digits(v)
	}
	return digits(v) + " " + units[u]
}

// digits returns v with three digits, those before the point always whole.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
