package main

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// feed: connected
	// feed: item 1
	// feed: connection reset
	// feed: connected
	// feed: item 2
	// feed: connection reset
	// feed: connected
	// feed: item 3
	// feed: item 4
	// feed: item 5
	// queue: down, restarted 0 times
	// feed: down, restarted 2 times
	// importer: down, restarted 0 times
	// jobs processed: 5 of 6
	// left: job 6 (next import), delayed
}
