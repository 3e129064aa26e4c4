package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// playAll starts and ends one job after the other, as long as one may start, and returns their names.
func (w *world) playAll() (names []string) {
	w.do(func(c *Core) { c.Advance(w.now) })
	for w.claim("w") {
		names = append(names, w.names[w.run("w").ID])
		w.settle("w", Result{})
	}
	return names
}

// The order that is told is that of the starts, also where the core has not looked at what is due, or not at
// all of it.
func TestToldOrderIsThatOfTheStarts(t *testing.T) {
	type job struct {
		name      string
		p         Priority
		key, kind string
		at        time.Duration
	}
	for name, c := range map[string]struct {
		first []job
		then  func(w *world)
		want  []string
	}{
		"what was due at the first look comes before what is due since": {
			first: []job{{"d", Normal, "", "", 2 * time.Second}, {"low", Low, "k", "", 2 * time.Second}, {"high", High, "k", "", 3 * time.Second}},
			then: func(w *world) {
				w.now = 2 * time.Second
				w.do(func(c *Core) { c.AdvanceSome(w.now, 1) })
				w.now = 3 * time.Second
			},
			want: []string{"d", "low", "high"},
		},
		"what is due has not aged behind one that stands aside": {
			first: []job{{"aside", Low, "", "p", 0}, {"low", Low, "", "", time.Minute}, {"normal", Normal, "", "", time.Minute + time.Second}},
			then:  func(w *world) { w.now = time.Minute + time.Second },
			want:  []string{"normal", "low", "aside"},
		},
		"what is due and aside by when it comes into line": {
			first: []job{{"runs", Normal, "k", "", 0}, {"a", Normal, "k", "p", 2 * time.Second}, {"b", Normal, "", "p", 3 * time.Second}},
			then: func(w *world) {
				w.claim("w")
				w.now = 3 * time.Second
			},
			want: []string{"a", "b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{Workers: 1, Capacity: -1})
			w.do(func(c *Core) { c.PauseKind("p") })
			for _, o := range c.first {
				j := newJob(o.name)
				j.Priority, j.Key, j.Kind, j.RunAt = o.p, o.key, o.kind, o.at
				w.offer(j)
			}
			c.then(w)
			var told []string
			for _, j := range w.c.WaitingJobs(w.now) {
				told = append(told, j.Label)
			}
			require.Equal(t, c.want, told)
			w.do(func(c *Core) { c.Advance(w.now) })
			if w.run("w").ID != 0 {
				w.settle("w", Result{})
			}
			started := w.playAll()
			w.do(func(c *Core) { c.ResumeKind("p") })
			require.Equal(t, c.want, append(started, w.playAll()...))
		})
	}
}
