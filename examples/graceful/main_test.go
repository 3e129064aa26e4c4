package main

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/examples/internal/process"
)

func TestMain(m *testing.M) { process.Main(m, main) }

// listening starts the service and returns its URL for jobs.
func listening(t *testing.T, flags ...string) (*process.Process, string) {
	t.Helper()
	p := process.Start(t, append(flags, "-addr=127.0.0.1:0")...)
	addr, _, _ := strings.Cut(p.WaitFor("listening addr="), "\n")
	return p, "http://" + addr + "/jobs"
}

func post(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("a parcel"))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, resp.StatusCode)
	return string(body)
}

func TestSIGTERMFinishesAcceptedJobs(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p, url := listening(t, "-work=50ms", "-grace=1h")
	for range 20 {
		post(t, url)
	}
	p.Signal(syscall.SIGTERM)
	out, code := p.Finish()
	assert.Zero(t, code, out)
	assert.Contains(t, out, "shut down processed=20 waiting=0 interrupted=0 abandoned=0")
}

func TestSecondSIGTERMDoesNotWait(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p, url := listening(t, "-work=1h", "-grace=1h", "-workers=2")
	assert.Equal(t, "job 1, position 1\n", post(t, url))
	post(t, url)
	post(t, url)
	p.WaitFor("delivering job=1") // accepted is not yet begun
	p.WaitFor("delivering job=2")
	p.Signal(syscall.SIGTERM)
	p.WaitFor("shutting down")
	p.Signal(syscall.SIGTERM)
	out, code := p.Finish()
	assert.Equal(t, 1, code, out)
	assert.Contains(t, out, "shut down processed=0 waiting=1 interrupted=2 abandoned=0")
	assert.Contains(t, out, "terminated signal received")
}

func TestDeadlineDoesNotWaitEither(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p, url := listening(t, "-work=1h", "-grace=1ms")
	post(t, url)
	p.Signal(syscall.SIGTERM)
	out, code := p.Finish()
	assert.Equal(t, 1, code, out)
	assert.Contains(t, out, "context deadline exceeded")
}
