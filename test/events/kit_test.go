package events_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// fields is an event, or what should be one, by the names of its fields.
type fields map[string]any

// A check stands in a table for a value that cannot be written down. It says what
// is wrong.
type check func(got any) string

// read is an event by the fields that its kind sets, and those that it should not have set.
func read(ev dray.Event) fields {
	all, fs := flat(ev), fields{}
	delete(all, "Kind")
	sets := documented[ev.Kind.String()]
	for name, value := range all {
		if sets[name] || value != nil && !reflect.ValueOf(value).IsZero() {
			fs[name] = value
		}
	}
	return fs
}

// A record is one line of the log.
type record struct {
	level   slog.Level
	message string
	attrs   fields
}

// A notebook keeps events and log records.
type notebook struct {
	slowObserver, slowLog chan struct{} // closed when they go on; nil: they are fast

	mu      sync.Mutex
	events  []dray.Event
	records []record
	orders  map[string][][]string // by message: in which the attributes of a record came
}

func (n *notebook) observe(ev dray.Event) {
	if n.slowObserver != nil {
		<-n.slowObserver
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, ev)
}

// of returns the events of one kind.
func (n *notebook) of(kind string) (es []fields) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ev := range n.events {
		if ev.Kind.String() == kind {
			es = append(es, read(ev))
		}
	}
	return es
}

// logged returns the records but those of a queue's start and end, unless asked for.
func (n *notebook) logged(all bool) (rs []record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.records {
		if all || r.message != "queue started" && r.message != "queue stopped" {
			rs = append(rs, r)
		}
	}
	return rs
}

func (n *notebook) options() []dray.SharedOption {
	return []dray.SharedOption{dray.WithName("mail"), dray.WithObserver(n.observe), dray.WithLogger(slog.New(handler{book: n}))}
}

// A handler is a slog.Handler that writes into a notebook.
type handler struct {
	book *notebook
	with []slog.Attr
}

func (handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) WithGroup(string) slog.Handler          { return h }

func (h handler) WithAttrs(as []slog.Attr) slog.Handler {
	return handler{h.book, append(append([]slog.Attr(nil), h.with...), as...)}
}

func (h handler) Handle(_ context.Context, r slog.Record) error {
	if h.book.slowLog != nil {
		<-h.book.slowLog
	}
	attrs, order := fields{}, []string{}
	keep := func(a slog.Attr) bool {
		order = append(order, a.Key)
		attrs[a.Key] = a.Value.Any()
		if a.Value.Kind() == slog.KindInt64 {
			attrs[a.Key] = int(a.Value.Int64())
		}
		if err, ok := attrs[a.Key].(error); ok {
			attrs[a.Key] = err.Error()
		}
		return true
	}
	for _, a := range h.with {
		keep(a)
	}
	r.Attrs(keep)
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	h.book.records = append(h.book.records, record{r.Level, r.Message, attrs})
	if h.book.orders == nil {
		h.book.orders = map[string][][]string{}
	}
	h.book.orders[r.Message] = append(h.book.orders[r.Message], order)
	return nil
}

// A scene is a bubble in which one row of a table plays.
type scene struct {
	*testing.T
	notebook
	ends []func()
}

// play runs f in a bubble whose clock is odd, and then looks.
func play(t *testing.T, f func(s *scene), look func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(73*time.Hour + 11*time.Minute + 7*time.Second + 123456*time.Microsecond)
		s := &scene{T: t}
		defer func() {
			for _, end := range s.ends {
				end()
			}
			time.Sleep(2 * time.Hour) // for those that do not stop
		}()
		f(s)
		synctest.Wait()
		look(s)
	})
}

// wait lets time pass, and returns what time it is then.
func (s *scene) wait(d time.Duration) time.Time {
	time.Sleep(d)
	synctest.Wait()
	return time.Now()
}

// made returns a queue of one worker that is not started. It has existed for a while.
func (s *scene) made(opts ...dray.Option) *dray.Queue {
	s.Helper()
	all := []dray.Option{dray.WithWorkers(1)}
	for _, o := range s.options() {
		all = append(all, o)
	}
	q, err := dray.New(append(all, opts...)...)
	require.NoError(s, err)
	s.ends = append(s.ends, func() { _ = q.Close() })
	s.wait(1500 * time.Microsecond)
	return q
}

// started returns a queue of one worker that runs.
func (s *scene) started(opts ...dray.Option) *dray.Queue {
	s.Helper()
	q := s.made(opts...)
	require.NoError(s, q.Start())
	s.wait(2500 * time.Microsecond)
	return q
}

// add enqueues a job, and returns when that was.
func (s *scene) add(q *dray.Queue, fn dray.Func, opts ...dray.JobOption) time.Time {
	s.Helper()
	require.NoError(s, q.Enqueue(context.Background(), fn, opts...))
	now := time.Now()
	synctest.Wait()
	return now
}

// plain makes values comparable: times without their monotonic reading, in UTC.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Round(0).UTC()
	case dray.JobInfo:
		v.EnqueuedAt, v.RunAt, v.StartedAt = v.EnqueuedAt.Round(0).UTC(), v.RunAt.Round(0).UTC(), v.StartedAt.Round(0).UTC()
		return v
	}
	return v
}

// compare says how got differs from want, field by field; a field that is in one
// of them alone is a difference.
func compare(want, got fields) string {
	var diffs []string
	for name, g := range got {
		w, ok := want[name]
		if !ok {
			diffs = append(diffs, fmt.Sprintf("%s: not expected: %v", name, g))
			continue
		}
		if c, ok := w.(check); ok {
			if complaint := c(g); complaint != "" {
				diffs = append(diffs, fmt.Sprintf("%s: %s", name, complaint))
			}
			continue
		}
		if !reflect.DeepEqual(plain(w), plain(g)) {
			diffs = append(diffs, fmt.Sprintf("%s:\n  want %#v\n  got  %#v\n  want %v\n  got  %v", name, plain(w), plain(g), w, g))
		}
	}
	for name, w := range want {
		if _, ok := got[name]; !ok {
			diffs = append(diffs, fmt.Sprintf("%s: missing, want %v", name, w))
		}
	}
	return strings.Join(diffs, "\n")
}

// isErr checks an error that wraps another one and has a certain text; in a record,
// that text.
func isErr(target error, text string) check {
	return func(got any) string {
		if s, ok := got.(string); ok {
			return contains(text)(s)
		}
		err, _ := got.(error)
		if !errors.Is(err, target) || !strings.Contains(err.Error(), text) {
			return fmt.Sprintf("%v is not %v with %q", got, target, text)
		}
		return ""
	}
}

// contains checks a text.
func contains(part string) check {
	return func(got any) string {
		text := fmt.Sprint(got)
		if b, ok := got.([]byte); ok {
			text = string(b)
		}
		if !strings.Contains(text, part) {
			return fmt.Sprintf("%q does not contain %q", text, part)
		}
		return ""
	}
}
