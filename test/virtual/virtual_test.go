package virtual_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/test/virtual"
)

func TestSleep(t *testing.T) {
	require.Panics(t, func() { virtual.Sleep(time.Nanosecond) })
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		virtual.Sleep(time.Hour)
		require.Equal(t, time.Hour, time.Since(before))
		done := make(chan struct{})
		go func() { defer close(done); virtual.Sleep(time.Hour) }()
		<-done
	})
}
