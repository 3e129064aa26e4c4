// Package events_test compares what dray tells with what happened: events, log
// records, books and listings, field by field.
package events_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
