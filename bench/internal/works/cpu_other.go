//go:build !unix

package works

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
