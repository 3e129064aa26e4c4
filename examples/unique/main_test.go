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
	// click 1 job 1 <nil>
	// click 2 job 1 <nil>
	// click 3 job 1 <nil>
	// ran: report 42
	// ran: save final
	// ran: remind ada
	// again on the same day: true
}
