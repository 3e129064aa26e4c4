package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/examples/internal/process"
)

func TestMain(m *testing.M) { process.Main(m, main) }

// testConfig is quick: nothing waits but for what it waits for.
func testConfig(t *testing.T) config {
	return config{
		workers: 4,
		backoff: 5 * time.Millisecond,
		live:    10 * time.Millisecond,
		grace:   time.Minute,
		log:     slog.New(plainHandler(t.Output())),
		out:     t.Output(),
	}
}

func TestBooksMatchWhatArrived(t *testing.T) {
	s, err := newService(testConfig(t))
	require.NoError(t, err)
	defer s.close()
	require.NoError(t, s.serve(t.Context()))
	sum := s.summary(s.shutdown(nil))

	require.NoError(t, sum.check())
	assert.Empty(t, sum.left)
	mails, paths := shipped(t)
	assert.ElementsMatch(t, mails, arrivedMails(s.mailbox))
	assert.ElementsMatch(t, append(paths, "/alerts"), arrivedPaths(s.webhooks))

	st := sum.stats
	assert.Zero(t, st.Pending+st.Delayed+st.Retrying+st.Running)
	assert.Equal(t, intake{accepted: 70, bad: 6}, sum.intake)
	assert.EqualValues(t, 6, st.Failed, "/broken, /gone, 2 refused mails, import, explode")
	assert.Len(t, sum.failures, 6)
	assert.EqualValues(t, 1, st.Panicked)
	assert.Equal(t, 3+2, sum.emails.turned, "greylisted once, refused")
	flaky := strings.Count(builtinJobs, "/flaky/")
	assert.Equal(t, flaky+4+1, sum.webhooks.turned, "flaky once, broken in each attempt, gone")
	assert.EqualValues(t, 3+flaky+3, st.Retried, "greylisted, flaky, broken")
	assert.Contains(t, sum.String(), "\nleft       0 waiting, 0 interrupted, 0 abandoned\n")
}

// shipped returns what the built-in file should make arrive: mails as "to:
// subject", webhooks as paths.
func shipped(t *testing.T) (mails, paths []string) {
	t.Helper()
	for rec, err := range records("", strings.NewReader(builtinJobs)) {
		switch {
		case err != nil:
		case rec.Type == "email" && !strings.HasSuffix(rec.To, "@refused.example"):
			mails = append(mails, rec.To+": "+rec.Subject)
		case rec.Type == "webhook" && rec.Path != "/gone" && rec.Path != "/broken":
			paths = append(paths, rec.Path)
		}
	}
	require.NotEmpty(t, mails)
	require.NotEmpty(t, paths)
	return mails, paths
}

func arrivedPaths(r *webhookReceiver) (paths []string) {
	for _, path := range r.accepted {
		paths = append(paths, path)
	}
	return paths
}

func TestWrongBooksAreFound(t *testing.T) {
	var balanced summary
	require.NoError(t, balanced.check())

	for name, spoil := range map[string]func(*summary){
		"enqueued": func(s *summary) { s.stats.Enqueued++ },
		"open":     func(s *summary) { s.stats.Enqueued++; s.stats.Pending++ },
		"webhooks": func(s *summary) { s.webhooks.processed++ },
		"mails":    func(s *summary) { s.emails.accepted++ },
	} {
		var s summary
		spoil(&s)
		require.ErrorContains(t, s.check(), name)
	}
}

func TestMissingFile(t *testing.T) {
	cfg := testConfig(t)
	cfg.jobs = "no-such-file.jsonl"
	require.ErrorIs(t, run(t.Context(), cfg), os.ErrNotExist)
}

func TestCancelledBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, run(ctx, testConfig(t)))
}

func TestFirstSignalFinishesWhatRuns(t *testing.T) {
	p := process.Start(t, "-pace=20ms", "-live=5ms", "-for=1h")
	p.WaitFor("s  waiting")
	p.Signal(syscall.SIGTERM)
	out, code := p.Finish()
	assert.Zero(t, code, out)
	assert.Contains(t, out, "terminated signal received: shutting down\n")
	assert.Contains(t, out, " 0 interrupted, 0 abandoned\n")
	assert.NotContains(t, out, "cut short")
}

func TestSecondSignalCancelsWhatRuns(t *testing.T) {
	p := process.Start(t, "-pace=1ms", "-live=5ms", "-latency=1h", "-grace=1h")
	p.WaitFor("running 4")
	p.Signal(os.Interrupt)
	p.WaitFor("shutting down\n")
	p.Signal(os.Interrupt)
	out, code := p.Finish()
	assert.Zero(t, code, out)
	assert.Contains(t, out, "cut short: interrupt signal received\n")
	assert.Contains(t, out, " 4 interrupted, 0 abandoned\n")
}
