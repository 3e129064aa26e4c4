package main

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	if err := run(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// cleanup, run 1
	// cleanup, run 2
	// cleanup, run 3
	// task report, next in about 24h0m0s
	// failed jobs: 1
	// Sat 28 March, 02:30 CET
	// Sun 29 March, 03:00 CEST
	// Mon 30 March, 02:30 CEST
}
