// Package process runs an example as a process of its own, so that a test can
// send it real signals. The process is the test's own binary: see [Main].
package process

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const asked = "DRAY_EXAMPLE_MAIN"

// Main is for TestMain: it runs main where Start has asked for that, and the
// tests otherwise.
func Main(m *testing.M, main func()) {
	if os.Getenv(asked) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// Process is a running example.
type Process struct {
	t      *testing.T
	cmd    *exec.Cmd
	output io.Reader
	read   bytes.Buffer
}

// Start runs main with the given flags; it is killed at the end of the test.
// Standard output and standard error are read as one.
func Start(t *testing.T, flags ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &Process{t: t, cmd: exec.CommandContext(t.Context(), self, flags...)}
	p.cmd.Env = append(os.Environ(), asked+"=1")
	p.output, err = p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.cmd.Stderr = p.cmd.Stdout
	require.NoError(t, p.cmd.Start())
	return p
}

// Signal sends s.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// WaitFor reads until the output contains text, and returns what follows it as
// far as it has been read.
func (p *Process) WaitFor(text string) string {
	p.t.Helper()
	for part := make([]byte, 4096); ; {
		if _, rest, ok := strings.Cut(p.read.String(), text); ok {
			return rest
		}
		n, err := p.output.Read(part)
		p.read.Write(part[:n])
		require.NoError(p.t, err, "it ended before %q; it wrote:\n%s", text, &p.read)
	}
}

// Finish waits for the end; it returns all output and the exit code.
func (p *Process) Finish() (output string, code int) {
	p.t.Helper()
	_, err := p.read.ReadFrom(p.output)
	require.NoError(p.t, err)
	_ = p.cmd.Wait() // an exit code other than 0 is an error here
	return p.read.String(), p.cmd.ProcessState.ExitCode()
}
