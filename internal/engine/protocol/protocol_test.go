package protocol

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var large = flag.Bool("large", false, "explore the large configurations, too: minutes, and gigabytes")

// With all its rules the protocol loses no wake-up, starts each job once, keeps its
// books, answers each caller, and comes to rest. Each rule has mattered somewhere, and is one
// of those that TestEachRuleIsNeeded takes out.
func TestProtocol(t *testing.T) {
	asked := map[Rule]bool{}
	for _, c := range Configs {
		if c.Large && !*large {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			begun := time.Now()
			r, mattered := c.Explore("")
			assert.Empty(t, r.Wrong, "%v", r)
			t.Logf("%v, %v", r, time.Since(begun).Round(time.Millisecond))
			maps.Copy(asked, mattered)
		})
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(needed)), slices.Collect(maps.Keys(asked)))
}

// needed says of each rule which exploration goes wrong without it, and how.
var needed = map[Rule]struct{ config, wrong string }{
	SleepSeesWorkers:  {"resize", "a wake-up was lost: a worker waits for its dismissal"},
	SleepSeesRequests: {"before Start", "EnqueueSync does not return"},
	SleepSeesCrash:    {"panics", "a wake-up was lost: the owner has not heard of a panic"},
	SleepSeesPoke:     {"block in a lease", roomUnused},
	SleepSeesPressing: {"delayed", "a wake-up was lost: a delayed job waits for the owner"},
	SleepSeesJobs:     {"stats", lost},
	SleepSeesGate:     {"pause", lost},
	SleepSeesLine:     {"chunks", lost},
	LendInOrder:       {"chunks", faultTexts[overtaken]},
	PausedLendsNone:   {"pause", faultTexts[startedWhilePaused]},
	WantThenComing:    {"pause", lost},

	JobWakes:       {"chunks", lost},
	PressingWakes:  {"delayed", "a wake-up was lost: a delayed job waits for the owner"},
	WorkerWakes:    {"resize", "a wake-up was lost: a worker waits for its dismissal"},
	RequestWakes:   {"before Start", "EnqueueSync does not return"},
	CrashWakes:     {"panics", "a wake-up was lost: the owner has not heard of a panic"},
	ArrivalWakes:   {"pause", lost},
	SuccessorTicks: {"before Start", "a wake-up was lost: the owner has not heard of a panic"},

	ComingBeforeLease: {"before Start", "two hold one job"},
	TickShuts:         {"stats", faultTexts[unbalanced]},
	LimitStops:        {"rules", faultTexts[claimedHeavy]},
	ReuseAfterLeases:  {"chunks", faultTexts[reusedEarly]},
	ReuseNoneKept:     {"cancel in a lease", faultTexts[reusedEarly]},
	KeepThenLook:      {"cancel in a lease", faultTexts[cancelledAnother]},
	ShowBeforeWords:   {"block in a lease", "the lock is held for ever"},
	LearnAwaitsShown:  {"keys", lost},
	PinRevokes:        {"cancel in a lease", faultTexts[cancelledAnother]},
	PinnedComesBack:   {"cancel in a lease", faultTexts[cancelledAnother]},

	HandOverInOrder: {"chunks", faultTexts[overtaken]},
	TakeLent:        {"before Start", lost},
	TakeDirect:      {"stats", faultTexts[unbalanced]},

	BlockedBeforeOpen: {"block in a lease", roomUnused},
	ClaimSeesBlocked:  {"block in a lease", roomUnused},
	ClaimSeesCrowded:  {"keys", lost},
	AdmitEachTick:     {"block in a lease", roomUnused},

	ResignTells:      {"before Start", "EnqueueSync does not return"},
	ResignTellsTodo:  {"before Start", "EnqueueSync does not return"},
	CallersServe:     {"before Start", "EnqueueSync does not return"},
	OnlyCrashesCount: {"short runs", faultTexts[gaveUp]},
	PutBackAlways:    {"before Start", "EnqueueSync does not return"},
	MadeOnce:         {"before Start", faultTexts[madeTwice]},
	StartIsWhole:     {"before Start", "a claimed job was lost"},
}

// Each rule is needed: without it something goes wrong.
func TestEachRuleIsNeeded(t *testing.T) {
	for rule, n := range needed {
		t.Run(string(rule), func(t *testing.T) {
			i := slices.IndexFunc(Configs, func(c Config) bool { return c.Name == n.config })
			require.GreaterOrEqual(t, i, 0, "no configuration "+n.config)
			r, _ := Configs[i].Explore(rule)
			assert.Equal(t, n.wrong, r.Wrong, "%v", r)
			t.Log(r)
		})
	}
}

// The document names each rule once.
func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/protocol.md")
	require.NoError(t, err)
	for rule := range needed {
		assert.Equal(t, 1, strings.Count(strings.ReplaceAll(string(text), "(`SleepSeesLine`;", ""), "`"+string(rule)+"`"), "%v", rule)
	}
}
