package goroutines_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/test/goroutines"
)

func TestInBubble(t *testing.T) {
	outside := make(chan struct{})
	defer close(outside)
	for range 100 {
		go func() { <-outside }()
	}
	synctest.Test(t, func(t *testing.T) {
		before := goroutines.InBubble()
		inside := make(chan struct{})
		for range 1000 {
			go func() { <-inside }()
		}
		require.Equal(t, before+1000, goroutines.InBubble())
		close(inside)
		synctest.Wait()
		require.Equal(t, before, goroutines.InBubble())
	})
}
