package protocol

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var large = flag.Bool("large", false, "explore the large configurations, too: minutes, and two gigabytes")

// With all its rules the protocol loses no wake-up, starts each job once, keeps its
// books, answers each caller, and comes to rest.
func TestProtocol(t *testing.T) {
	for _, c := range Configs {
		if c.Large && !*large {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			begun := time.Now()
			r := c.Explore(Whole)
			assert.Empty(t, r.Wrong, "%v", r)
			t.Logf("%v, %v", r, time.Since(begun).Round(time.Millisecond))
		})
	}
}

const (
	lost    = "a wake-up was lost: a job waits, a worker is idle, and the owner sleeps"
	unlent  = "no worker is lent, though one is idle"
	noTimer = "no timer is set though a job with a timeout runs"
)

// Each rule is needed: without it something goes wrong.
func TestEachRuleIsNeeded(t *testing.T) {
	needed := map[Rule]struct{ config, wrong string }{
		SleepSeesJobs:     {"hand-over", lost},
		SleepSeesWorkers:  {"hand-over", lost},
		SleepSeesRequests: {"sync", "Stats does not return"},
		SleepSeesStop:     {"drain", "Stop does not return"},
		SleepSeesTimer:    {"timeouts", noTimer},
		SleepAwaitsLease:  {"stream", lost},
		AwaitedIsComing:   {"pause", busyForEver},
		SleepSeesMore:     {"hand-over", lost},
		MoreBeyondChunk:   {"chunks", lost},
		PausedLendsNone:   {"pause", faultTexts[startedWhileHeld]},

		TimerLeavesNote:  {"delayed", "no timer is set for a delayed job"},
		TimerIsForgotten: {"timeouts", noTimer},
		HandOverWatches:  {"timeouts", noTimer},

		ComingBeforeLease:  {"stream", lost},
		ArrivalWakes:       {"stream", lost},
		LimitIsTail:        {"hand-over", faultTexts[startedTwice]},
		LimitStops:         {"cancel", faultTexts[startedTwice]},
		RecycleAfterLeases: {"chunks", faultTexts[recycledEarly]},
		DispatchIsWhole:    {"crash", "a claimed job was lost"},

		JobWakes:         {"hand-over", lost},
		JobWakesLender:   {"rules", lost},
		RulesWake:        {"delayed", "a wake-up was lost: a delayed job waits for the owner"},
		DecideUnderLock:  {"hand-over", faultTexts[readRecycled]},
		HandOverInOrder:  {"sync", faultTexts[overtaken]},
		HandOverInChunk:  {"chunks", faultTexts[wrongChunk]},
		ReturnInOrder:    {"hand-over", lost},
		ReturnOnlyIfOut:  {"failures", faultTexts[unbalanced]},
		CollectTakesLent: {"hand-over", lost},
		CollectCountsOut: {"failures", faultTexts[unbalanced]},

		PauseShuts:        {"pause", faultTexts[startedWhileHeld]},
		StopShuts:         {"stop in a lease", faultTexts[startedWhileHeld]},
		ResizeShuts:       {"resize", faultTexts[tooMany]},
		CancelShuts:       {"cancel", faultTexts[startedTwice]},
		CancelLowersLimit: {"cancel", faultTexts[startedTwice]},

		AskSeesNoOwner:      {"stop", "Stats does not return"},
		LeaveWakesAsked:     {"stop", "Stats does not return"},
		LeaveWakesCollected: {"stop", "Stats does not return"},
		CallersServe:        {"stop", "Stats does not return"},
		PutBackAlways:       {"crash", "Cancel does not return"},
		ServedBeforeSignal:  {"failures", "Stats does not return"},
		ReplyKeepsChannel:   {"crash", faultTexts[resetInReply]},
		LookAtServed:        {"stop", faultTexts[notServed]},
		SyncIsAccepted:      {"before Start", faultTexts[refusedButAccepted]},
		MadeOnce:            {"crash", faultTexts[wrongReply]},
		SuccessorTicks:      {"stop", lost},
		PanicWithWorker:     {"panics", "a wake-up was lost: the owner has not heard of a worker's panic"},

		BlockedThenCount:   {"block in a lease", roomUnused},
		ClaimThenBlocked:   {"block in a lease", roomUnused},
		ArrivalSeesBlocked: {"block", roomUnused},
		CountOnce:          {"block", tooManyWait},
		PassIsNoClaim:      {"block and cancel", tooManyWait},
		CancelMakesRoom:    {"block and cancel", roomUnused},
		WaitersFirst:       {"block", faultTexts[waiterOvertaken]},
		CloseRefuses:       {"block and close", faultTexts[acceptedClosed]},
	}
	for rule := Whole + 1; rule < rules; rule++ {
		t.Run(rule.String(), func(t *testing.T) {
			n, ok := needed[rule]
			require.True(t, ok, "which exploration shows that it is needed?")
			r := config(t, n.config).Explore(rule)
			assert.Equal(t, n.wrong, r.Wrong, "%v", r)
			t.Log(r)
		})
	}
}

// That an idle worker is lent is a matter of speed alone; it takes these rules.
func TestWhatLendingTakes(t *testing.T) {
	for _, rule := range []Rule{SleepAwaitsLease, ArrivalWakes, ComingBeforeLease} {
		assert.Equal(t, unlent, config(t, "hand-over").Explore(rule).Wrong, "%v", rule)
	}
}

// The document names each rule.
func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/protocol.md")
	require.NoError(t, err)
	for rule := Whole + 1; rule < rules; rule++ {
		assert.Equal(t, 1, strings.Count(string(text), "`"+rule.String()+"`"), "%v", rule)
	}
}

func config(t *testing.T, name string) Config {
	for _, c := range Configs {
		if c.Name == name {
			return c
		}
	}
	require.Fail(t, "no configuration "+name)
	return Config{}
}
