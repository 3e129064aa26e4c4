package core

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the traces in testdata as they are now")

// TestTraces plays the scripts in testdata. A line that begins with a letter is a
// command; the indented ones below it are what came of it: the answer, the
// effects, and the whole state. With -rewrite they are written anew, and are to be
// read against the contract before they are committed.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			got := replay(t, string(want))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(want), got)
		})
	}
}

func replay(t *testing.T, text string) string {
	var out strings.Builder
	tr := &trace{t: t}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || line[0] == '#' {
			continue
		}
		for _, l := range tr.play(line) {
			fmt.Fprintln(&out, "  "+l)
		}
	}
	return out.String()
}

// A trace is one script under way.
type trace struct {
	*world
	t *testing.T
	// offers by name, to withdraw them
	offers map[string]*Job
}

// play executes a command and returns what is to be seen of it.
func (tr *trace) play(line string) []string {
	words := strings.Fields(line)
	if words[0] == "config" {
		return tr.config(words[1:])
	}
	answer := tr.command(words[0], words[1:])
	tr.check()
	var out []string
	if answer != "" {
		out = append(out, "-> "+answer)
	}
	for _, e := range tr.seen {
		out = append(out, "! "+tr.effect(e))
	}
	return append(out, tr.state()...)
}

func (tr *trace) config(words []string) []string {
	cfg := Config{Workers: 1, Capacity: -1, FailuresKept: 2, Watched: WatchAll}
	for k, v := range options(words) {
		switch k {
		case "workers":
			cfg.Workers = tr.number(v)
		case "capacity":
			cfg.Capacity = tr.number(v)
		case "allowance":
			cfg.StuckAllowance = tr.number(v)
		case "overflow":
			cfg.Overflow = map[string]Overflow{"reject": Reject, "block": Block, "dropnewest": DropNewest, "dropoldest": DropOldest}[v]
		default:
			tr.t.Fatalf("unknown option %q", k)
		}
	}
	tr.world, tr.offers = newWorld(tr.t, cfg), map[string]*Job{}
	tr.now = 0
	return nil
}

// options splits words of the form key=value.
func options(words []string) map[string]string {
	m := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		m[k] = v
	}
	return m
}

func (tr *trace) number(s string) int {
	n, err := strconv.Atoi(s)
	require.NoError(tr.t, err)
	return n
}

func (tr *trace) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	require.NoError(tr.t, err)
	return d
}

// job makes the record that the options describe.
func (tr *trace) job(name string, words []string) *Job {
	j := newJob(name)
	for k, v := range options(words) {
		switch k {
		case "key":
			j.Key = v
		case "limit":
			j.KeyLimit = tr.number(v)
		case "prio":
			j.Priority = map[string]Priority{"low": Low, "high": High}[v]
		case "delay":
			j.RunAt = tr.now + tr.duration(v)
		case "attempts":
			j.MaxAttempts = tr.number(v)
		case "timeout":
			j.Timeout = tr.duration(v)
		case "deadline":
			j.Within = tr.duration(v)
		case "period":
			j.UniqueFor = tr.duration(v)
		case "limiters":
			for l := range strings.SplitSeq(v, ",") {
				j.Limiters = append(j.Limiters, l)
			}
		case "group":
			j.Group = tr.group(v)
		case "kind":
			j.Kind = v
		case "unique":
			u, policy, _ := strings.Cut(v, ":")
			j.Unique = u
			j.UniquePolicy = map[string]UniquePolicy{"keep": KeepExisting, "replace": ReplacePending, "reject": RejectDuplicate}[policy]
		default:
			tr.t.Fatalf("unknown option %q", k)
		}
	}
	return j
}

// command gives the command to the core and returns its answer.
func (tr *trace) command(verb string, args []string) string {
	arg := strings.Join(args, " ")
	switch verb {
	case "post": // a plain job, by way of the mailbox
		return said(tr.post(arg), "accepted", "no room")
	case "enqueue":
		return tr.enqueue(args)
	case "claim":
		return said(tr.claim(arg), "started", "nothing")
	case "settle":
		return tr.settleAs(args)
	case "advance":
		tr.advance(tr.duration(arg))
	case "wait": // as advance, but nobody looks what is due
		tr.now += tr.duration(arg)
		tr.follow()
	case "cancel":
		ok := false
		tr.do(func(c *Core) { ok = c.Cancel(tr.id(arg), tr.now) })
		return said(ok, "found", "not found")
	case "token":
		return said(tr.grant(arg), "", "not asked for")
	case "requeue":
		v, found := tr.requeue(tr.id(arg))
		return said(found, v.String(), "not found")
	case "withdraw":
		ok := false
		tr.do(func(c *Core) { ok = c.Withdraw(tr.offers[arg]) })
		return said(ok, "withdrawn", "too late")
	default:
		return tr.control(verb, arg)
	}
	return ""
}

// control is for the commands that change what may run.
func (tr *trace) control(verb, arg string) (answer string) {
	tr.do(func(c *Core) {
		switch {
		case verb == "pause" && arg == "":
			answer = said(c.Pause(), "", "was already")
		case verb == "pause":
			answer = said(c.PauseKind(arg), "", "was already")
		case verb == "resume" && arg == "":
			answer = said(c.Resume(), "", "was not")
		case verb == "resume":
			answer = said(c.ResumeKind(arg), "", "was not")
		case verb == "resize":
			c.Resize(tr.number(arg))
			tr.bound = max(tr.bound, tr.number(arg)+tr.cfg.StuckAllowance)
		case verb == "close":
			c.Close()
		case verb == "open":
			c.Open()
		case verb == "interruptall":
			c.InterruptAll(tr.now)
		case verb == "refuse":
			c.Refuse()
		case verb == "cancelkey":
			answer = strconv.Itoa(c.CancelKey(arg, whole(), tr.now))
		case verb == "cancelkind":
			answer = strconv.Itoa(c.CancelKind(arg, whole(), tr.now))
		case verb == "cancelgroup":
			answer = strconv.Itoa(c.CancelGroup(tr.group(arg), whole(), tr.now))
		case verb == "closegroup":
			c.CloseGroup(tr.group(arg))
		case verb == "limiterfails":
			if l := tr.limit(arg); l == nil || !l.asking {
				answer = "not asked for"
				return
			}
			answer = said(c.Fail(tr.limit(arg)), "ask again", "not wanted")
		case verb == "dropfailure":
			answer = said(c.DropFailure(tr.id(arg)), "dropped", "not found")
		case verb == "dropfailures":
			answer = strconv.Itoa(c.DropFailures())
		case verb == "excuse":
			c.Exempt(tr.run(arg))
			tr.bound++
		case verb == "seal":
			c.Seal(tr.now)
		case verb == "handover":
		default:
			tr.t.Fatalf("unknown command %q", verb)
		}
	})
	if verb == "handover" {
		tr.handOver()
	}
	return answer
}

func (tr *trace) enqueue(args []string) string {
	j := tr.job(args[0], args[1:])
	tr.offers[j.Label] = j
	v, old, pos := tr.offer(j)
	switch v {
	case Accepted:
		return fmt.Sprintf("accepted as %d, position %d", j.ID, pos)
	case Kept:
		return fmt.Sprintf("kept %d, position %d", old.ID, pos)
	default:
		return v.String()
	}
}

func (tr *trace) settleAs(args []string) string {
	res, ok := map[string]Result{
		"ok": {}, "error": {Kind: Error}, "panic": {Kind: Panic}, "snooze": {Kind: Snooze},
		"discard": {Kind: Error, Final: true}, "panicdiscard": {Kind: Panic, Final: true},
	}[args[1]]
	require.True(tr.t, ok, "unknown result %q", args[1])
	if res.Kind != OK {
		res.Err = errJob
	}
	delays := []*time.Duration{&res.Delay}
	if res.Kind == Snooze {
		delays = []*time.Duration{&res.Snooze, &res.Delay}
	}
	for i, arg := range args[2:] {
		*delays[i] = tr.duration(arg)
	}
	if tr.run(args[0]).ID == 0 {
		return "nothing there"
	}
	tr.settle(args[0], res)
	return ""
}

func said(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
