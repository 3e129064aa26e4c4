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
	// run: 16 <nil>
	// error: true
	// panic: true dray: panic: oops
	// pending: true
	// gave up: true
	// result: done at last <nil>
}
