package events_test

import "github.com/a622d8ee/dray"

const (
	settledProcessed = dray.Pending
	settledFailed    = dray.Pending
	settledCancelled = dray.Pending
	settledEvicted   = dray.Pending
)
