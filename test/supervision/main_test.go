// Package supervision_test tries the supervisor through its public API alone.
package supervision_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
