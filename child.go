package dray

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/eventbus"
	"github.com/a622d8ee/dray/internal/restart"
	"github.com/a622d8ee/dray/internal/supervise"
)

// A Child is a service under supervision and how to treat it.
type Child struct {
	// Name identifies the child within its supervisor. Required.
	Name string
	// Service is run by the child. Required.
	Service Service
	// Restart says when the child is restarted. Defaults to Permanent.
	Restart Restart
	// Shutdown is how long the supervisor waits for the child to end after it has
	// ended its context. A goroutine cannot be killed: a child that takes longer is
	// abandoned, which means that the supervisor reports it, goes on without it and
	// ignores what it returns later. If its service is started again, two calls of
	// Serve may overlap.
	//
	// Zero is the supervisor's default, see [WithShutdownTimeout], but no limit for a
	// *Supervisor, a *Queue and a *Pool, which bound their own stop, so leave it at zero
	// for these: a queue may take its shutdown timeout twice, to drain and to cancel, and
	// another second for other user code, and with a limit of no more than that it may be
	// abandoned although all went by its rules. A negative value is no limit: for a service
	// that bounds its own stop, such as a type that embeds one of these three, or
	// ServiceFunc(s.Serve).
	Shutdown time.Duration
	// Significant makes the end of the child count for [WithAutoShutdown], without
	// which it is an error. A permanent child cannot be significant.
	Significant bool
}

func (c *Child) validate(auto AutoShutdown) error {
	switch {
	case c.Name == "":
		return errors.New("dray: child without a name")
	case c.Restart > Temporary:
		return fmt.Errorf("dray: child %q: unknown restart type %v", c.Name, c.Restart)
	case c.Significant && c.Restart == Permanent:
		return fmt.Errorf("dray: child %q: a permanent child cannot be significant", c.Name)
	case c.Significant && auto == NeverShutdown:
		return fmt.Errorf("dray: child %q: significant, but the supervisor has no WithAutoShutdown", c.Name)
	}
	return checkService(c.Name, c.Service)
}

// service returns how the child is run. dray's own services are told by their exact type:
// a type that embeds one of them is the user's, and what it makes of the methods that it
// inherits is not known.
func (c *Child) service(shutdownTimeout time.Duration) *supervise.Service {
	s := &supervise.Service{Limit: c.Shutdown}
	own := true
	switch service := c.Service.(type) {
	case *Supervisor:
		s.Inner, s.Phases, s.Dropped = service.sup, service.phases, service.sup.Drop
	case *Queue:
		s.Inner, s.Phases, s.Dropped = service.tree.sup, service.phases, service.dropped
	case *Pool:
		s.Phases, s.Dropped = service.phases, service.dropped
	default:
		own = false
		s.Phases = func() (start, serve func(context.Context) error) {
			if i, ok := service.(Initer); ok {
				start = i.Init
			}
			return start, service.Serve
		}
		if l, ok := service.(interface{ Children() []ChildInfo }); ok {
			s.Children = func() []supervise.Info { return infosOf(l.Children()) }
		}
	}
	switch {
	case s.Limit != 0:
	case own: // its stop takes as long as that of what is below it, which has limits
		s.Limit = -1
	default:
		s.Limit = shutdownTimeout
	}
	return s
}

// phases is Serve for a supervisor that this one is a child of.
func (s *Supervisor) phases() (start, serve func(context.Context) error) {
	start = func(ctx context.Context) error { return s.boot(ctx, true) }
	serve = func(ctx context.Context) error {
		end, err := endFor(ctx, true)
		if err != nil {
			return err
		}
		return s.sup.Serve(end)
	}
	return start, serve
}

// checkService finds a service that could only panic.
func checkService(name string, s Service) error {
	if f, ok := s.(ServiceFunc); ok && f == nil {
		return errs.Wrapf(ErrNilFunc, "child %q", name)
	}
	if isNil(s) {
		return fmt.Errorf("dray: child %q: nil service", name)
	}
	return nil
}

// ChildState is what a child of a supervisor is doing.
type ChildState uint8

const (
	// ChildDown: not running: not started yet, ended normally, or terminated.
	ChildDown ChildState = iota
	// ChildStarting: its Init is running.
	ChildStarting
	// ChildRunning: its Serve is running.
	ChildRunning
	// ChildStopping: its context has ended and it has not returned yet.
	ChildStopping
	// ChildRestarting: it waits for its backoff, or for its turn in a group that
	// is being restarted.
	ChildRestarting
	// ChildStuck: it was abandoned, because it did not end within its shutdown time.
	ChildStuck
)

// String returns "down", "starting", "running", "stopping", "restarting" or "stuck".
func (s ChildState) String() string {
	return nameOf(s, "down", "starting", "running", "stopping", "restarting", "stuck")
}

// ChildInfo is one child in a snapshot.
type ChildInfo struct {
	Name  string
	State ChildState
	// Restarts counts the failures of this child that led to a restart, since its
	// supervisor's Serve was called. Restarts that it owes to a sibling or to
	// [Supervisor.Restart] are not among them.
	Restarts uint64
	// LastError is the last failure of the child, its stop included, or nil. It
	// is a *PanicError after a panic, ErrGoexit after a Goexit.
	LastError error
	// Since is when State began, by the wall clock of now; zero if it is unchanged since
	// the child was added.
	Since time.Time
	// Children are those of a nested [Supervisor] or [Queue]. Of any other service
	// that has a method Children() []ChildInfo they are what that returns, which for
	// a type that embeds a *Supervisor are the supervisor's. Such a method is given
	// a second; one that panics, or has not returned by then, has no children, and
	// is not called again before it has returned.
	Children []ChildInfo
}

func childInfos(all []supervise.Info) []ChildInfo {
	if all == nil {
		return nil
	}
	infos := make([]ChildInfo, len(all))
	for i, x := range all {
		infos[i] = ChildInfo{x.Name, ChildState(x.State), x.Restarts, x.LastErr, x.Since, childInfos(x.Children)}
	}
	return infos
}

func infosOf(all []ChildInfo) []supervise.Info {
	if all == nil {
		return nil
	}
	infos := make([]supervise.Info, len(all))
	for i, x := range all {
		infos[i] = supervise.Info{
			Name: x.Name, State: restart.ChildState(x.State), Restarts: x.Restarts, LastErr: x.LastError,
			Since: x.Since, Children: infosOf(x.Children),
		}
	}
	return infos
}

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

// WithIntensity allows at most that many restarts, 0 or more, within period, which is
// longer than 0; the next
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
		switch {
		case restarts < 0:
			return fmt.Errorf("dray: WithIntensity(%d, %v): the restarts must not be negative", restarts, period)
		case period <= 0:
			return fmt.Errorf("dray: WithIntensity(%d, %v): the period must be longer than 0", restarts, period)
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
