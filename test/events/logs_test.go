package events_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// noteRecords counts how often a message was written, under "", and each attribute, and
// each attribute that came before another one.
func (n *notebook) noteRecords(written map[string]map[string]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := func(message, what string) {
		if written[message] == nil {
			written[message] = map[string]int{}
		}
		written[message][what]++
	}
	for _, r := range n.records {
		count(r.message, "")
		count(r.message, "level "+r.level.String())
	}
	for message, orders := range n.orders {
		for _, order := range orders {
			for i, name := range order {
				count(message, name)
				for _, behind := range order[i+1:] {
					count(message, name+" < "+behind)
				}
			}
		}
	}
}

// requireDocumented compares what was written with the table of docs/logs.md: the
// messages, their levels, the attributes that are always there and those that may be.
func requireDocumented(t *testing.T, written map[string]map[string]int) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/logs.md")
	require.NoError(t, err)
	documented := map[string]bool{}
	for l := range strings.Lines(string(doc)) {
		cells := strings.Split(l, "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		message := strings.TrimSpace(cells[3])
		documented[message] = true
		seen := written[message]
		require.NotNil(t, seen, "no row has %q written", message)
		attrs := map[string]bool{"": true, "dray": true}
		for name := range strings.FieldsSeq(cells[4]) {
			bare := strings.Trim(name, "[]")
			attrs[bare] = true
			require.Positive(t, seen[bare], "%q without %q", message, bare)
			require.Equal(t, name == bare, seen[bare] == seen[""], "%q of %q: is it always there?", name, message)
		}
		order := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace("dray " + cells[4]))
		for i, name := range order {
			for _, before := range order[:i] {
				require.Zero(t, seen[name+" < "+before], "%q: %q comes before %q", message, name, before)
			}
		}
		for name := range seen {
			if strings.Contains(name, " < ") {
				continue
			}
			level, isLevel := strings.CutPrefix(name, "level ")
			require.True(t, attrs[name] || isLevel && strings.Contains(cells[2], level), "%q is written with %q", message, name)
		}
	}
	for message := range written {
		require.True(t, documented[message], "docs/logs.md does not have %q", message)
	}
}

// counts adds up what the log says of one message.
func (n *notebook) counts(message string) (sum uint64, lines int) {
	for _, r := range n.logged(true) {
		if c, ok := r.attrs["count"].(uint64); ok && r.message == message {
			sum += c
			lines++
		}
	}
	return sum, lines
}

// burstSize is a burst that was once logged as 1.
const burstSize = 49_999

// TestNumbersInTheLogAddUp: the first at once, the rest when the period is over
// though nothing else happens by then, and never more often.
func TestNumbersInTheLogAddUp(t *testing.T) {
	full := func(q *dray.Queue) error { return q.Enqueue(context.Background(), kit.Nop) }
	unique := func(p dray.UniquePolicy) func(q *dray.Queue) error {
		return func(q *dray.Queue) error { return q.Enqueue(context.Background(), kit.Nop, dray.WithUnique("u", p)) }
	}
	rows := map[string]struct {
		overflow dray.Overflow
		once     func(q *dray.Queue) error
		message  string
		period   time.Duration
		books    func(s dray.Stats) uint64
	}{
		"full":      {dray.Reject, full, "jobs rejected", time.Second, func(s dray.Stats) uint64 { return s.Rejected }},
		"duplicate": {dray.Reject, unique(dray.RejectDuplicate), "jobs rejected", time.Minute, func(s dray.Stats) uint64 { return s.Rejected }},
		"oldest":    {dray.DropOldest, full, "jobs evicted", time.Second, func(s dray.Stats) uint64 { return s.Evicted }},
		"newest":    {dray.DropNewest, full, "jobs evicted", time.Second, func(s dray.Stats) uint64 { return s.Evicted }},
		"replaced":  {dray.Reject, unique(dray.ReplacePending), "jobs replaced", time.Minute, func(s dray.Stats) uint64 { return s.Evicted }},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				q := s.made(dray.WithCapacity(1), dray.WithOverflow(row.overflow))
				burst := func(n int) {
					for i := range n {
						_ = row.once(q)
						if i%10_000 == 0 {
							synctest.Wait() // so that no event is dropped
						}
					}
					synctest.Wait()
				}
				burst(2) // the first is in, the second is not, or takes its place
				requireCounts(s, row.message, 1, 1)
				burst(burstSize)
				requireCounts(s, row.message, 1, 1)
				s.wait(row.period)
				requireCounts(s, row.message, burstSize+1, 2)
				s.wait(time.Hour)
				burst(7)
				requireCounts(s, row.message, burstSize+2, 3)
				_, err := q.Shutdown(context.Background())
				require.NoError(s, err)
				requireCounts(s, row.message, burstSize+8, 4)
				require.Equal(s, row.books(q.Stats()), uint64(burstSize+8))
			}, func(s *scene) {
				require.Equal(s, "queue stopped", s.logged(true)[len(s.logged(true))-1].message)
			})
		})
	}
}

func requireCounts(s *scene, message string, sum uint64, lines int) {
	s.Helper()
	gotSum, gotLines := s.counts(message)
	require.Equal(s, []any{sum, lines}, []any{gotSum, gotLines})
}

// TestAlarmsDoNotWaitForRoutine: a queue that is full is logged at once though
// replaced jobs have started a minute of their own.
func TestAlarmsDoNotWaitForRoutine(t *testing.T) {
	play(t, func(s *scene) {
		q := s.made(dray.WithCapacity(1))
		for range 3 {
			s.add(q, kit.Nop, dray.WithUnique("u", dray.ReplacePending))
		}
		for range 3 {
			require.ErrorIs(s, q.Enqueue(s.Context(), kit.Nop), dray.ErrQueueFull)
		}
		synctest.Wait()
		requireCounts(s, "jobs rejected", 1, 1)
		s.wait(time.Second)
		requireCounts(s, "jobs rejected", 3, 2)
		requireCounts(s, "jobs replaced", 1, 1)
		s.wait(time.Minute)
		requireCounts(s, "jobs replaced", 2, 2)
	}, func(*scene) {})
}

// TestLogHandlerThatThrows loses the record that it throws at, and nothing else.
func TestLogHandlerThatThrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told notebook
		q, err := dray.New(dray.WithCapacity(1), dray.WithLogger(slog.New(throwing{&told})))
		require.NoError(t, err)
		for range 5 {
			_ = q.Enqueue(t.Context(), kit.Nop)
			time.Sleep(time.Second)
		}
		require.NoError(t, q.Close())
		require.Len(t, told.logged(true), 3, "four rejections and the end, but the first two")
	})
}

// throwing is a handler that throws at the first two records.
type throwing struct{ told *notebook }

func (throwing) Enabled(context.Context, slog.Level) bool { return true }
func (h throwing) WithGroup(string) slog.Handler          { return h }
func (h throwing) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h throwing) Handle(context.Context, slog.Record) error {
	h.told.mu.Lock()
	defer h.told.mu.Unlock()
	h.told.events = append(h.told.events, dray.Event{})
	switch len(h.told.events) {
	case 1:
		panic("handler")
	case 2:
		runtime.Goexit()
	}
	h.told.records = append(h.told.records, record{})
	return nil
}

// TestLogAsText shows what an operator reads.
func TestLogAsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		q, err := dray.New(dray.WithName("mail"), dray.WithWorkers(1), dray.WithCapacity(1), dray.WithLogger(slog.New(slog.NewTextHandler(&buf, nil))))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		retries := []dray.JobOption{dray.WithLabel("greeting"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second))}
		require.NoError(t, q.Enqueue(t.Context(), kit.Fail, retries...))
		time.Sleep(time.Minute)
		require.NoError(t, q.Pause())
		for range 100 {
			_ = q.Enqueue(t.Context(), kit.Fail)
		}
		_, err = q.Shutdown(t.Context())
		require.NoError(t, err)
		log := buf.String()
		require.Contains(t, log, `level=WARN msg="attempt failed" dray=mail id=1 attempt=1 label=greeting next=2000-01-01T00:00:01.000Z error=boom`)
		require.Contains(t, log, `level=ERROR msg="job failed" dray=mail id=1 attempt=2 label=greeting error=boom`)
		require.Equal(t, 2, strings.Count(log, "jobs rejected"), "at once, and at the end")
		require.Contains(t, log, `msg="queue stopped" dray=mail enqueued=2 processed=0 failed=1 cancelled=0 evicted=0 rejected=99`)
		require.Contains(t, log, "waiting=1")
	})
}
