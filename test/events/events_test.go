package events_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// TestEveryEvent compares every field of every event, and every record of the log,
// with what has happened. A new event, or a new field that no row has a value for,
// fails it.
func TestEveryEvent(t *testing.T) {
	seen := map[string]map[string]bool{} // by event and field: it had a value
	written := map[string]map[string]int{}
	infos := map[string]bool{} // fields of JobInfo that had a value
	for _, r := range slices.Concat(acceptance, attempts, stuckJobs, failures, workers, queues, children, tasks) {
		t.Run(r.event+"/"+r.when, func(t *testing.T) {
			var want []fields
			var logged []record
			play(t, func(s *scene) { want, logged = r.play(s) }, func(s *scene) {
				requireEvents(s, want, s.of(r.event))
				ofTheQueue := r.event == "QueueStarted" || r.event == "QueueStopped"
				requireRecords(s, logged, s.logged(ofTheQueue), ofTheQueue)
				note(seen, r.event, s.of(r.event), infos)
				s.noteRecords(written)
			})
		})
	}
	if t.Failed() {
		return
	}
	requireComplete(t, seen, infos)
	requireDocumented(t, written)
}

func requireEvents(t testing.TB, want, got []fields) {
	t.Helper()
	require.Len(t, got, len(want), "%v", got)
	for i, w := range want {
		if _, ok := w["Queue"]; !ok && w["Supervisor"] == nil {
			w = with(w, fields{"Queue": "mail"})
		}
		require.Empty(t, compare(w, got[i]), "event %d", i+1)
	}
}

// requireRecords compares the log; of a queue's end all that has a row of its own is left out.
func requireRecords(t testing.TB, want, got []record, last bool) {
	t.Helper()
	if last && len(got) > 1 {
		got = got[len(got)-1:]
	}
	require.Len(t, got, len(want), "%v", got)
	for i := range want {
		require.Equal(t, want[i].level, got[i].level)
		require.Equal(t, want[i].message, got[i].message)
		require.Empty(t, compare(want[i].attrs, got[i].attrs), "record %d: %s", i+1, got[i].message)
	}
}

func note(seen map[string]map[string]bool, event string, got []fields, infos map[string]bool) {
	if seen[event] == nil {
		seen[event] = map[string]bool{}
	}
	for _, fs := range got {
		for name, v := range fs {
			if v != nil && !reflect.ValueOf(v).IsZero() {
				seen[event][name] = true
			}
			if j, ok := v.(dray.JobInfo); ok {
				noteFields(infos, j)
			}
		}
	}
}

// noteFields notes which fields of a struct have a value.
func noteFields(seen map[string]bool, v any) {
	s := reflect.ValueOf(v)
	for _, f := range reflect.VisibleFields(s.Type()) {
		if f.IsExported() && !f.Anonymous && !s.FieldByIndex(f.Index).IsZero() {
			seen[f.Name] = true
		}
	}
}

// requireSeen fails if an exported field of a struct has never had a value.
func requireSeen(t *testing.T, seen map[string]bool, v any) {
	t.Helper()
	s := reflect.TypeOf(v)
	for _, f := range reflect.VisibleFields(s) {
		if f.IsExported() && !f.Anonymous {
			require.True(t, seen[f.Name], "no row has a value for %s.%s", s.Name(), f.Name)
		}
	}
}

// requireComplete looks up in the source which events and fields there are.
func requireComplete(t *testing.T, seen map[string]map[string]bool, infos map[string]bool) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(seen)), "events with rows")
	all := map[string]bool{"Kind": true}
	for event, names := range documented {
		for name := range names {
			all[name] = true
			require.True(t, seen[event][name], "no row has a value for %s.%s", event, name)
		}
	}
	requireSeen(t, all, dray.Event{})
	requireSeen(t, infos, dray.JobInfo{})
}

// documented has for each kind of event the fields that its comment says it sets, and
// those that all of them have.
var documented = func() map[string]map[string]bool {
	f, err := parser.ParseFile(token.NewFileSet(), "../../observer.go", nil, parser.ParseComments)
	if err != nil {
		panic(err)
	}
	kinds := map[string]map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !spec.Names[0].IsExported() {
			return true
		}
		text := strings.Join(strings.Fields(spec.Doc.Text()), " ")
		_, sets, ok := strings.Cut(text, " Sets ")
		if !ok {
			panic(spec.Names[0].Name + ": its comment does not say what it sets")
		}
		fields := map[string]bool{"Time": true}
		for name := range strings.SplitSeq(strings.TrimSuffix(sets, "."), ", ") {
			fields[name] = true
		}
		if !fields["Supervisor"] { // else it may be one that is no queue's
			fields["Queue"] = true
		}
		kinds[spec.Names[0].Name] = fields
		return true
	})
	return kinds
}()

// Kinds are called as they are written, and there are no others.
func TestKindsHaveNames(t *testing.T) {
	names := map[string]bool{}
	for k := dray.JobEnqueued; k <= dray.EventsDropped; k++ {
		names[k.String()] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(names)))
	for _, k := range []dray.EventKind{0, dray.EventsDropped + 1, dray.EventsDropped + 2, 255} {
		require.Equal(t, fmt.Sprintf("EventKind(%d)", uint8(k)), k.String())
		_, err := dray.New(dray.WithObserver(func(dray.Event) {}, dray.JobFailed, k))
		require.EqualError(t, err, fmt.Sprintf("dray: WithObserver: no such kind of event: %d", k))
	}
}
