package background

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		var g Group
		begin := time.Now()
		require.Empty(t, g.Wait(time.Second), "nobody is there")
		a, b := g.Add("b"), g.Add("x")
		b.Rename("a")
		require.Equal(t, []string{"a", "b"}, g.Wait(time.Second))
		require.Equal(t, time.Second, time.Since(begin))
		go func() {
			time.Sleep(time.Second)
			a.Leave()
		}()
		require.Equal(t, []string{"a"}, g.Wait(2*time.Second), "one has left meanwhile")
		require.Equal(t, 3*time.Second, time.Since(begin))
		go func() {
			time.Sleep(time.Second)
			b.Leave()
		}()
		require.Empty(t, g.Wait(time.Minute))
		require.Equal(t, 4*time.Second, time.Since(begin))
		c := g.Add("c")
		go c.Leave()
		require.Empty(t, g.Wait(time.Minute), "a group is used again")
	})
}
