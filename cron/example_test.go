package cron_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/cron"
)

// At a quarter to seven on the last Friday of each month, by the clocks of Berlin.
func ExampleParseIn() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	s, err := cron.ParseIn("45 6 * * FRI#L", berlin)
	if err != nil {
		panic(err)
	}
	for _, t := range dray.Preview(s, time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC), 2) {
		fmt.Println(t.Format("Mon 2006-01-02 15:04 MST"))
	}
	// Output:
	// Fri 2026-03-27 06:45 CET
	// Fri 2026-04-24 06:45 CEST
}

// An expression can name its zone; the rules for the days on which the clocks
// change are those of dray.
func ExampleParse() {
	for _, dst := range []dray.DST{0, dray.SkipGap} {
		s, err := cron.Parse("CRON_TZ=America/New_York 30 2 * * *", dst)
		if err != nil {
			panic(err)
		}
		fmt.Print("next")
		for _, t := range dray.Preview(s, time.Date(2026, time.March, 8, 0, 0, 0, 0, time.UTC), 3) {
			fmt.Print(t.Format(" | Jan 2 15:04 MST"))
		}
		fmt.Println()
	}
	// Output:
	// next | Mar 8 03:00 EDT | Mar 9 02:30 EDT | Mar 10 02:30 EDT
	// next | Mar 9 02:30 EDT | Mar 10 02:30 EDT | Mar 11 02:30 EDT
}

// An error points at the field.
func ExampleError_Pointer() {
	_, err := cron.Parse("0 25 * * MON-FRI")
	fmt.Println(err)
	if e, ok := errors.AsType[*cron.Error](err); ok {
		fmt.Println(e.Field)
		fmt.Println(e.Pointer())
	}
	// Output:
	// cron: "0 25 * * MON-FRI": hour "25": 25 is above the maximum of 23
	// hour
	// 0 25 * * MON-FRI
	//   ^^
}

func ExampleMustParse() {
	q, err := dray.New()
	if err != nil {
		panic(err)
	}
	defer q.Close()
	err = q.Scheduler().Schedule("ping", cron.MustParse("*/10 8-18 * * MON-FRI"), ping)
	fmt.Println(q.Scheduler().Tasks()[0].Schedule, err)
	// Output:
	// */10 8-18 * * MON-FRI Local <nil>
}
