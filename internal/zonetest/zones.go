// Package zonetest is what the tests of calendar schedules share: time zones with
// each kind of data, and an oracle for when a schedule is due. It knows nothing of
// dray, and asks the time package for no more than what the clocks show.
package zonetest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has zones
)

// names are zones with something peculiar each, and some without.
var names = []string{
	"Africa/Cairo", "Africa/Casablanca", "Africa/Juba", "Africa/Monrovia", "America/Asuncion",
	"America/Caracas", "America/Havana", "America/New_York", "America/Nuuk", "America/Santiago",
	"America/Sao_Paulo", "Antarctica/Troll", "Asia/Anadyr", "Asia/Beirut", "Asia/Famagusta",
	"Asia/Gaza", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Pyongyang", "Asia/Tehran",
	"Australia/Lord_Howe", "Europe/Dublin", "Europe/London", "Europe/Moscow", "Europe/Volgograd",
	"Pacific/Apia", "Pacific/Chatham", "Pacific/Easter", "Pacific/Kwajalein", "Pacific/Tongatapu", "UTC",
}

// Zone is a time zone and where its data comes from.
type Zone struct {
	Name string
	Data string // "go", "system" or "rule"
	Loc  *time.Location
}

// Zones returns the zones with each kind of data that there is: Go's own, which has
// a table of the past and a rule for the future; the system's, which with Debian
// has a table up to 2037; and the rule alone, for all years.
func Zones(tb testing.TB) []Zone {
	tb.Helper()
	var zones []Zone
	add := func(name, kind string, data []byte) {
		loc := must(time.LoadLocationFromTZData(name, data))(tb)
		zones = append(zones, Zone{name, kind, loc})
	}
	own := ownData(tb)
	for _, name := range names {
		data, ok := own[name]
		if !ok { // Go is not installed here, which leaves what the time package finds
			zones = append(zones, Zone{name, "go", must(time.LoadLocation(name))(tb)})
			continue
		}
		add(name, "go", data)
		if rule := ruleOf(data); strings.Contains(rule, ",") {
			add(name, "rule", Rule(rule))
		}
	}
	const system = "/usr/share/zoneinfo/"
	for _, name := range names {
		data, err := os.ReadFile(system + name)
		if !errors.Is(err, fs.ErrNotExist) {
			add(name, "system", must(data, err)(tb))
		}
	}
	return zones
}

// must returns a function that returns v, unless there is an error, with which it
// ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// ownData reads the data that comes with Go; none if it is not installed here.
func ownData(tb testing.TB) map[string][]byte {
	tb.Helper()
	data := map[string][]byte{}
	//nolint:staticcheck // go test sets GOROOT, so it is right where tests run
	z, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return data
	}
	defer z.Close() //nolint:errcheck // it was only read
	for _, name := range names {
		f := must(z.Open(name))(tb)
		data[name] = must(io.ReadAll(f))(tb)
		must(0, f.Close())(tb)
	}
	return data
}

// ruleOf returns the rule at the end of a zone's data.
func ruleOf(data []byte) string {
	lines := bytes.Split(data, []byte("\n"))
	return string(lines[len(lines)-2])
}

// Rule makes zone data of a rule alone, as in the TZ variable of POSIX.
func Rule(tz string) []byte {
	var b bytes.Buffer
	for range 2 { // for 32 bits and for 64
		b.WriteString("TZif2" + strings.Repeat("\x00", 15))
		for _, count := range []uint32{0, 0, 0, 0, 1, 4} { // one type, and four characters of names
			_ = binary.Write(&b, binary.BigEndian, count) // a buffer takes it all
		}
		b.WriteString("\x00\x00\x00\x00\x00\x00" + "UTC\x00")
	}
	b.WriteString("\n" + tz + "\n")
	return b.Bytes()
}

// Changes returns when the clocks of a zone change in a year.
func Changes(loc *time.Location, year int) []time.Time {
	var changes []time.Time
	const day = 24 * 60 * 60
	begin, end := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for s := begin; s < end; s += day {
		low, high := s-1, s+day-1
		if ahead(loc, low) == ahead(loc, high) {
			continue
		}
		for high-low > 1 {
			if mid := low + (high-low)/2; ahead(loc, mid) == ahead(loc, low) {
				low = mid
			} else {
				high = mid
			}
		}
		changes = append(changes, time.Unix(high, 0).In(loc))
	}
	return changes
}

// LeapDay returns the beginning of the last day, by UTC, of a leap year.
func LeapDay(loc *time.Location, year int) (time.Time, bool) {
	leap := time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC).Month() == time.February
	return time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).In(loc), leap
}
