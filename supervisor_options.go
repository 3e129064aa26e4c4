package dray

import (
	"errors"
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/eventbus"
)

// Strategy says which children are restarted when one of them has to be.
type Strategy uint8

const (
	// OneForOne restarts the failed child alone: its siblings do not depend on it.
	OneForOne Strategy = iota
	// RestForOne restarts the failed child and those after it: each child may
	// depend on those before it.
	RestForOne
	// OneForAll restarts all children: each may depend on every other.
	OneForAll
)

// String returns the name in OTP's spelling, such as "rest_for_one".
func (s Strategy) String() string {
	return nameOf(s, "one_for_one", "rest_for_one", "one_for_all")
}

// Restart says after which end a child is restarted.
type Restart uint8

const (
	// Permanent children are always restarted.
	Permanent Restart = iota
	// Transient children are restarted after a failure: an error, a panic or a
	// Goexit. A nil return is their normal end.
	Transient
	// Temporary children are never restarted, also not when their group is. A
	// temporary child is forgotten when it ends, whatever ended it. One given with
	// [WithChildren] is there again when its supervisor's Serve is called again.
	Temporary
)

// String returns "permanent", "transient" or "temporary".
func (r Restart) String() string { return nameOf(r, "permanent", "transient", "temporary") }

// AutoShutdown says whether a supervisor stops when its significant children
// have ended by themselves: see [WithAutoShutdown].
type AutoShutdown uint8

const (
	// NeverShutdown allows no significant children.
	NeverShutdown AutoShutdown = iota
	// AnySignificant stops the supervisor when one significant child has ended.
	AnySignificant
	// AllSignificant stops the supervisor when a significant child has ended and
	// no other one is running or about to be restarted.
	AllSignificant
)

// String returns "never", "any_significant" or "all_significant".
func (a AutoShutdown) String() string {
	return nameOf(a, "never", "any_significant", "all_significant")
}

func nameOf[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%T(%d)", v, uint8(v))
}

// SupervisorOption is an option of [NewSupervisor]: [WithChildren],
// [WithIntensity], [WithRestartBackoff], [WithAutoShutdown], and those that a
// queue takes as well: [WithName], [WithLogger], [WithObserver],
// [WithShutdownTimeout].
type SupervisorOption interface {
	applySupervisor(*supervisorConfig) error
}

// supervisorConfig is not changed after construction.
type supervisorConfig struct {
	common
	strategy Strategy
	children []Child
	limit    int           // restarts allowed
	period   time.Duration // within this time
	backoff  Backoff       // nil: restart at once
	auto     AutoShutdown
	bus      *eventbus.Bus[Event] // nil: the supervisor makes its own
	queue    string               // whose tree it is; empty for none
}

// The default intensity is that of Elixir's supervisors: enough for an accident
// and its repetition, and a persistent failure goes up within 5 s.
const (
	defaultIntensity       = 3
	defaultIntensityPeriod = 5 * time.Second
)

func newSupervisorConfig(strategy Strategy) supervisorConfig {
	return supervisorConfig{
		common:   newCommon("supervisor"),
		strategy: strategy,
		limit:    defaultIntensity,
		period:   defaultIntensityPeriod,
	}
}

type supervisorOption func(*supervisorConfig) error

func (o supervisorOption) applySupervisor(c *supervisorConfig) error { return o(c) }

// WithChildren appends children, which start in this order; it may be given
// several times. See also [Supervisor.Add].
func WithChildren(children ...Child) SupervisorOption {
	return supervisorOption(func(c *supervisorConfig) error {
		c.children = append(c.children, children...)
		return nil
	})
}

// WithIntensity allows at most that many restarts within period; the next
// failure makes the supervisor stop its children and return [ErrIntensity]. A
// restart counts until period has passed, the last instant included: with 1 in
// 5 s, a failure exactly 5 s after the last one is too much, and one a
// nanosecond later is not. A failure counts once, however many children its
// restart concerns; a restart that fails counts again.
//
// Defaults to 3 in 5 s. Zero restarts end the supervisor at the first failure.
// Memory grows with the restarts allowed, 24 bytes for each that happens.
func WithIntensity(restarts int, period time.Duration) SupervisorOption {
	return supervisorOption(func(c *supervisorConfig) error {
		if restarts < 0 || period <= 0 {
			return fmt.Errorf("dray: WithIntensity: %d restarts in %v", restarts, period)
		}
		c.limit, c.period = restarts, period
		return nil
	})
}

// WithRestartBackoff delays each restart by b(attempt). attempt is 1 for the
// first failure of a child and grows with each further one, until the child has
// run for longer than the intensity's period, whatever ended that run. Other
// children that must be stopped are stopped at once and wait together with the
// failed one. A delay below zero, and a b that panics or exits, mean no delay.
//
// b is called on a goroutine of its own, one call at a time, and is given a second:
// a restart for which it has not answered by then goes ahead. A call that never
// returns costs its goroutine, once; restarts wait for a second then, and Serve
// says at its end that the call was abandoned. Defaults to no delay.
func WithRestartBackoff(b Backoff) SupervisorOption {
	return supervisorOption(func(c *supervisorConfig) error {
		if b == nil {
			return errors.New("dray: WithRestartBackoff: nil backoff")
		}
		c.backoff = b
		return nil
	})
}

// WithAutoShutdown stops the supervisor when significant children (see [Child])
// have ended by themselves and are not restarted: a transient one normally, a
// temporary one in any way. Serve then stops the other children and returns nil.
// Defaults to NeverShutdown.
func WithAutoShutdown(a AutoShutdown) SupervisorOption {
	return supervisorOption(func(c *supervisorConfig) error {
		if a > AllSignificant {
			return fmt.Errorf("dray: WithAutoShutdown: unknown value %v", a)
		}
		c.auto = a
		return nil
	})
}
