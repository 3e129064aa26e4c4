package eventbus

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The kinds of events in these tests.
const (
	plain uint8 = iota
	other
	dropped // n says how many
	end     // the last, and vital
)

// An event has a number, and keeps so many bytes besides itself.
type event struct {
	kind uint8
	n    int
	keep int
	of   string
}

const everything = Mask(1<<plain | 1<<other | 1<<dropped | 1<<end)

// config has room for ten events that keep nothing.
func config() Config[event] {
	b := New(Config[event]{}, Listener[event]{})
	return Config[event]{
		Kind:    func(e event) uint8 { return e.kind },
		Size:    func(e event) int { return e.keep },
		Dropped: func(of string, n uint64) event { return event{kind: dropped, n: int(n), of: of} },
		Vital:   1 << end,
		Limit:   10 * b.own,
	}
}

// A log keeps what was delivered, once it may.
type log struct {
	gate  chan struct{} // nil: at once
	lines []string
}

func (l *log) deliver(e event) {
	if l.gate != nil {
		<-l.gate
	}
	l.lines = append(l.lines, e.String())
}

func (e event) String() string {
	switch e.kind {
	case dropped:
		return fmt.Sprintf("%s missed %d", e.of, e.n)
	case end:
		return "end"
	}
	return fmt.Sprintf("%d", e.n)
}

// numbers are the lines of the events from a to b.
func numbers(a, b int) (lines []string) {
	for n := a; n <= b; n++ {
		lines = append(lines, fmt.Sprint(n))
	}
	return lines
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// emit emits so many, and lets those listeners have each that can.
func emit(b *Bus[event], from, to int) {
	for n := from; n <= to; n++ {
		b.Emit(event{n: n})
		synctest.Wait()
	}
}

// within is a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestNilBus(t *testing.T) {
	b := New(config())
	require.Nil(t, b)
	require.False(t, b.Wants(plain))
	b.Emit(event{})
	b.Last(event{})
	b.Close()
	b.Exempt()
	require.Empty(t, b.Flush(t.Context()))
	require.Empty(t, b.FlushOthers(t.Context()))
}

// A listener gets the kinds that it has asked for, in order, and the bus wants what
// a listener has asked for.
func TestKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var one, two log
		cfg := config()
		cfg.Limit = 1 << 30
		b := New(cfg, Listener[event]{Kinds: 1 << plain, Deliver: one.deliver}, Listener[event]{Kinds: 1<<plain | 1<<other, Deliver: two.deliver})
		require.Equal(t, []bool{true, true, false}, []bool{b.Wants(plain), b.Wants(other), b.Wants(end)})
		for n := 1; n <= 1000; n++ {
			b.Emit(event{kind: uint8(n % 2), n: n})
			b.Emit(event{kind: end})
		}
		require.Empty(t, b.Flush(t.Context()))
		require.Equal(t, numbers(1, 1000), two.lines)
		require.Len(t, one.lines, 500)
		require.Equal(t, []string{"2", "4", "6"}, one.lines[:3])
	})
}

// A listener that throws loses that event alone, and no other listener does.
func TestThrowingListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all, some log
		b := New(config(), Listener[event]{Kinds: everything, Deliver: func(e event) {
			switch e.n {
			case 1:
				panic("listener")
			case 3:
				runtime.Goexit()
			}
			some.deliver(e)
		}}, Listener[event]{Kinds: everything, Deliver: all.deliver})
		emit(b, 0, 4)
		require.Empty(t, b.Flush(t.Context()))
		require.Equal(t, []string{"0", "2", "4"}, some.lines)
		require.Equal(t, numbers(0, 4), all.lines)
	})
}

// What goes beyond the limit is dropped, which is told at its place, to the listener and
// to the one that hears of losses; a vital event is kept.
func TestLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		keep int // bytes, in events
		kept int // of the events from 1 on, beside the one that is being delivered
	}{"bare": {0, 9}, "with bytes": {2, 3}, "too large": {10, 0}} {
		bubble(t, name, func(t *testing.T) {
			slow, losses := log{gate: make(chan struct{})}, log{}
			b := New(config(), Listener[event]{Name: "losses", Kinds: 1 << dropped, Deliver: losses.deliver, Losses: true},
				Listener[event]{Name: "slow", Kinds: everything, Deliver: slow.deliver})
			b.Emit(event{})
			synctest.Wait()
			for n := 1; n <= 20; n++ {
				b.Emit(event{n: n, keep: tc.keep * b.own})
			}
			b.Emit(event{kind: end})
			close(slow.gate)
			require.Empty(t, b.Flush(t.Context()))
			missed := fmt.Sprintf("slow missed %d", 20-tc.kept)
			require.Equal(t, append(numbers(0, tc.kept), missed, "end"), slow.lines)
			require.Equal(t, []string{missed}, losses.lines)
			emit(b, 21, 30)
			require.Empty(t, b.Flush(t.Context()))
			require.Equal(t, numbers(21, 30), slow.lines[len(slow.lines)-10:], "there is room again")
		})
	}
}

// A listener that is told nothing of its losses loses them all the same, and the one that
// hears of losses hears of its own once.
func TestLossesOfItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		losses := log{gate: make(chan struct{})}
		quiet := log{gate: make(chan struct{})}
		b := New(config(), Listener[event]{Name: "losses", Kinds: 1<<plain | 1<<dropped, Deliver: losses.deliver, Losses: true},
			Listener[event]{Name: "quiet", Kinds: 1 << plain, Deliver: quiet.deliver})
		b.Emit(event{})
		synctest.Wait()
		emit(b, 1, 20)
		close(losses.gate)
		synctest.Wait()
		require.Equal(t, append(numbers(0, 9), "losses missed 11"), losses.lines)
		close(quiet.gate)
		require.Empty(t, b.Flush(t.Context()))
		require.Equal(t, numbers(0, 9), quiet.lines)
		require.Equal(t, append(numbers(0, 9), "losses missed 11", "quiet missed 11"), losses.lines)
	})
}

// Once events are dropped they are until half of the limit is free, so that one loss is
// told, and not one for each chunk that was delivered.
func TestLossesComeInStretches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Limit *= 100 // 1,000 events
		slow := log{gate: make(chan struct{})}
		b := New(cfg, Listener[event]{Name: "slow", Kinds: everything, Deliver: slow.deliver})
		told := 0
		for n := range 10_000 {
			b.Emit(event{n: n})
			if n%10 == 0 {
				slow.gate <- struct{}{} // one in ten is delivered
				synctest.Wait()
			}
		}
		close(slow.gate)
		require.Empty(t, b.Flush(t.Context()))
		missed := 0
		for _, l := range slow.lines {
			var n int
			if _, err := fmt.Sscanf(l, "slow missed %d", &n); err == nil {
				missed += n
				told++
			}
		}
		require.Equal(t, 10_000, missed+len(slow.lines)-told)
		require.LessOrEqual(t, told, 3)
	})
}

// After the last event nothing is delivered, not even a loss.
func TestLast(t *testing.T) {
	for name, last := range map[string]func(b *Bus[event]){
		"last":  func(b *Bus[event]) { b.Last(event{kind: end}) },
		"close": (*Bus[event]).Close,
	} {
		bubble(t, name, func(t *testing.T) {
			slow, losses, deaf := log{gate: make(chan struct{})}, log{}, log{}
			b := New(config(), Listener[event]{Name: "losses", Kinds: 1<<dropped | 1<<end, Deliver: losses.deliver, Losses: true},
				Listener[event]{Name: "slow", Kinds: everything, Deliver: slow.deliver}, Listener[event]{Kinds: 1 << plain, Deliver: deaf.deliver})
			b.Emit(event{})
			synctest.Wait()
			emit(b, 1, 20)
			last(b)
			emit(b, 21, 40)
			last(b)
			close(slow.gate)
			require.Empty(t, b.Flush(t.Context()))
			want := append(numbers(0, 9), "slow missed 11")
			toldOf := []string{"slow missed 11"}
			if name == "last" {
				want, toldOf = append(want, "end"), append(toldOf, "end")
			}
			require.Equal(t, want, slow.lines)
			require.Equal(t, toldOf, losses.lines)
			require.Equal(t, numbers(0, 20), deaf.lines)
		})
	}
}

// Flush waits for what was emitted, for as long as it may, and names what hangs.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, fast := log{gate: make(chan struct{})}, log{}
		b := New(config(), Listener[event]{Name: "slow", Kinds: everything, Deliver: slow.deliver}, Listener[event]{Name: "fast", Kinds: everything, Deliver: fast.deliver})
		begin := time.Now()
		require.Empty(t, b.Flush(within(t, time.Second)), "nothing is under way")
		emit(b, 1, 3)
		require.Equal(t, []string{"slow"}, b.Flush(within(t, time.Second)))
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, numbers(1, 3), fast.lines)
		require.Equal(t, []string{"slow"}, b.FlushOthers(within(t, time.Second)))
		require.Equal(t, 2*time.Second, time.Since(begin))
		require.Equal(t, []string{"slow"}, b.Flush(within(t, time.Second)), "which is known")
		require.Equal(t, 2*time.Second, time.Since(begin), "and not waited for again")
		close(slow.gate)
		synctest.Wait()
		require.Empty(t, b.Flush(within(t, 0)), "it is over, whatever the time")
		emit(b, 4, 4)
		require.Empty(t, b.Flush(within(t, time.Second)))
		require.Equal(t, numbers(1, 4), slow.lines)
	})
}

// A listener that flushes does not wait for itself; one that waits for FlushOthers is exempt.
func TestListenerThatFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Bus[event]
		over := make(chan struct{})
		b = New(config(),
			Listener[event]{Name: "one", Kinds: 1 << plain, Deliver: func(event) { require.Empty(t, b.Flush(within(t, time.Second))) }},
			Listener[event]{Name: "two", Kinds: 1 << other, Deliver: func(event) {
				time.Sleep(time.Second)
				b.Exempt()
				<-over
			}})
		begin := time.Now()
		b.Emit(event{kind: plain})
		require.Empty(t, b.Flush(within(t, time.Minute)))
		b.Exempt() // of nobody
		b.Emit(event{kind: other})
		require.Empty(t, b.FlushOthers(within(t, time.Minute)))
		require.Equal(t, time.Second, time.Since(begin))
		close(over)
		require.Empty(t, b.Flush(within(t, time.Minute)))
	})
}

// Nothing large is allocated, or copied, however much is undelivered.
func TestChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Limit *= 1000
		slow := log{gate: make(chan struct{})}
		b := New(cfg, Listener[event]{Kinds: everything, Deliver: slow.deliver})
		for n := range 5000 {
			b.Emit(event{n: n})
		}
		synctest.Wait() // the listener waits at the gate
		for _, c := range b.queues[0].backlog {
			require.LessOrEqual(t, len(c.items), chunkLen)
		}
		close(slow.gate)
		require.Empty(t, b.Flush(t.Context()))
		require.Equal(t, numbers(0, 4999), slow.lines)
	})
}
