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
	// ada 14850 first [0 3 6] in order: true
	// bob 14950 first [1 4 7] in order: true
	// eve 15050 first [2 5 8] in order: true
}
