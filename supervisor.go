package dray

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/restart"
	"github.com/a622d8ee/dray/internal/supervise"
)

// Service is anything that a [Supervisor] can run: a [Queue], a [Pool], another
// Supervisor, or your own type.
//
// Serve does the service's work until ctx ends and then returns; what it returns
// after that makes no difference. If it ends before that, the supervisor acts on
// how: a nil return is a normal end; an error, a panic and a [runtime.Goexit]
// are failures. Serve is called again for each restart, one call at a time,
// unless an earlier call was abandoned: see [Child].
//
// Within Serve, [context.Cause] of an ended ctx is [ErrRestart] if the supervisor
// stops the service in order to start it again, and [ErrShutdown] otherwise.
//
// The supervisor keeps what Serve has returned for [ChildInfo] and events, and asks
// it on the service's own goroutine what it means: an error whose methods panic is
// a failure like any other, and hurts nothing else.
type Service interface {
	Serve(ctx context.Context) error
}

// Initer is a [Service] with a start that takes time or can fail. The supervisor
// calls Init before every Serve, on the same goroutine and with the same ctx, and
// starts the children that come later only once it has returned nil. An error, a
// panic and a Goexit in Init mean that the start has failed. Serve is called if
// and only if Init returned nil, also when ctx has ended meanwhile, so that
// Serve can release what Init has acquired.
//
// Init may block: the supervisor goes on serving calls, and ends ctx to stop it.
type Initer interface {
	Init(ctx context.Context) error
}

// ServiceFunc is a function as a [Service].
type ServiceFunc func(ctx context.Context) error

// Serve calls f(ctx).
func (f ServiceFunc) Serve(ctx context.Context) error { return f(ctx) }

// ErrAbandoned is wrapped by the errors of [Supervisor.Serve],
// [Supervisor.Terminate] and [Supervisor.Remove] when a child did not end within
// its shutdown time, so that its goroutine may still be running; and by those of
// [Queue.Shutdown], [Queue.Close] and [Pool.Close] for an observer, a log handler, a
// limiter, or another function of a user's that did not return, such as a schedule's.
var ErrAbandoned = errs.ErrAbandoned // "dray: abandoned"

// A Supervisor runs services, its children, and restarts those that fail, by
// the rules of Erlang/OTP:
//
//   - Children start in order and stop in reverse. A child whose first start
//     fails ends the supervisor.
//   - [Restart] says when a child is restarted, [Strategy] which others are
//     restarted with it, [WithIntensity] how often before the supervisor gives
//     up and passes the failure on. A supervisor is a [Service], so trees nest.
//   - A group that is restarted by RestForOne or OneForAll is started whole:
//     also those of its children that had ended normally or were terminated.
//     Only temporary children are not, which are forgotten when they end.
//   - If further children of the group fail while the group is being stopped,
//     that is the same restart. If an earlier child fails, the group grows.
//
// All methods are safe for concurrent use, also from inside a child, and none
// waits for a child other than the one it names. A child that terminates,
// removes or restarts itself waits for its own end: the call returns when the
// child's shutdown time has passed and the child is abandoned, so do it from
// another goroutine.
//
// Only a *Supervisor, a *Queue and a *Pool themselves are nested. Their parent boots
// them before it starts the next child: the one has all its children up by then (see
// [Supervisor.Boot]), the others take jobs. It sets them no shutdown time, unless their
// [Child] has one, and shows their children. A type of yours that embeds one is a service
// like any other. It runs it in its Serve, or boots a supervisor in an Init and serves it
// in its Serve; give it a negative shutdown time, see [Child], or the stop of what is below
// may be cut short.
//
// A supervisor is made by [NewSupervisor]; the zero value is not usable.
type Supervisor struct {
	cfg supervisorConfig // immutable
	sup *supervise.Supervisor
}

// NewSupervisor returns a supervisor that is not running yet: see [Supervisor.Serve].
// It returns an error for an invalid strategy, option or child, which wraps
// [ErrDuplicate] when two children share a name.
func NewSupervisor(strategy Strategy, opts ...SupervisorOption) (_ *Supervisor, err error) {
	defer optionThrew(&err)
	cfg := newSupervisorConfig(strategy)
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("dray: NewSupervisor: nil option")
		}
		if err := o.applySupervisor(&cfg); err != nil {
			return nil, err
		}
	}
	return newSupervisor(cfg)
}

// newSupervisor builds a supervisor from a configuration that began as a
// newSupervisorConfig. A cfg.bus takes precedence over observers and logger.
func newSupervisor(cfg supervisorConfig) (*Supervisor, error) {
	if cfg.strategy > OneForAll {
		return nil, fmt.Errorf("dray: NewSupervisor: unknown strategy %v", cfg.strategy)
	}
	if cfg.bus == nil {
		cfg.bus = newBus(cfg.common, "")
	}
	s := &Supervisor{cfg: cfg, sup: supervise.New(supervise.Config{
		Config: restart.Config{
			Name: cfg.name, Strategy: restart.Strategy(cfg.strategy), Auto: restart.AutoShutdown(cfg.auto),
			Intensity: cfg.limit, Period: cfg.period,
		},
		Backoff: cfg.backoff, Emit: cfg.emit(), Tell: cfg.clock.TellTime,
		Panicked: func(v any) error { return &PanicError{Value: v} }, SetStack: setStack, MaxStack: maxStack,
	})}
	for _, c := range cfg.children {
		if err := s.add(c, true); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func setStack(err error, stack []byte) {
	if p, ok := err.(*PanicError); ok { //nolint:errorlint // the one that Panicked made
		p.Stack = stack
	}
}

// Serve starts the children and supervises them until ctx ends; then it stops
// them in reverse order, each within its shutdown time, and returns nil.
//
// Before that it ends, all children stopped, with
//   - an error that wraps the reason if a child's first start failed,
//   - an error that wraps [ErrIntensity] and the last failure if there were too many,
//   - nil if a significant child ended: see [WithAutoShutdown].
//
// If children had to be abandoned, here or in nested supervisors, and have still
// not ended, the error wraps [ErrAbandoned] and names them; so it does with a
// backoff, a Children method or a method of ctx that does not return. Apart from
// those no goroutine and no timer of the supervisor is left. With a ctx that has ended
// already, Serve starts nothing and returns nil.
//
// A second Serve while one is running returns [ErrStarted]. After its end Serve
// may be called again: it starts all children afresh, also those that were
// terminated and those temporary ones of [WithChildren] that had ended, and counts
// restarts from zero.
func (s *Supervisor) Serve(ctx context.Context) error {
	end, err := endFor(ctx, false)
	if err != nil {
		return err
	}
	return s.sup.Serve(end)
}

// Boot starts the children and returns when all are up; the next Serve goes on from
// there. Serve alone does both. Boot is for a service that runs the supervisor and
// has a start of its own, see [Initer]; nested supervisors are booted by their parent.
//
// Until Serve takes over, the children are supervised already, and are stopped when
// the ctx of Boot ends; from then on the end of Serve's ctx is what counts. If the
// supervisor ends by itself between the two, Serve returns why.
//
// If a start fails, or ctx ends before all children are up, Boot stops them, and
// returns what Serve would return, or the cause of ctx's end. It returns
// [ErrStarted] while the supervisor is running.
func (s *Supervisor) Boot(ctx context.Context) error { return s.boot(ctx, false) }

func (s *Supervisor) boot(ctx context.Context, ours bool) error {
	end, err := endFor(ctx, ours)
	if err != nil {
		return err
	}
	if err = s.sup.Boot(end); err == supervise.ErrEnded { //nolint:errorlint // as it is
		return causeOf(ctx)
	}
	return err
}

// endFor looks at a context, which may be a user's. One of ours comes from another
// supervisor, and answers at once.
func endFor(ctx context.Context, ours bool) (end supervise.End, err error) {
	defer contextThrew(&err)
	return supervise.End{Context: ctx, Done: ctx.Done(), Before: ctx.Err() != nil, Quick: ours, Restart: func() bool {
		return errors.Is(context.Cause(ctx), ErrRestart)
	}}, nil
}

// Add appends a child. If the supervisor is running, Add starts the child and
// waits until its start is complete (see [Initer]); if that fails, Add returns
// the error and the child is forgotten. But Add does not wait while earlier
// children are still being started or restarted: it returns nil at once, the
// child is started after them, and a failure is treated as a failed restart.
//
// It returns an error that wraps [ErrDuplicate] if there is a child of that
// name, [ErrClosed] while the supervisor stops, [ErrShutdown] if another call
// stops the child before its start is complete, and an error for an empty name,
// a nil service, an invalid combination of the other fields, and a supervisor that
// s itself is within, or is.
func (s *Supervisor) Add(c Child) error {
	return s.add(c, false)
}

func (s *Supervisor) add(c Child, initial bool) error {
	if err := c.validate(s.cfg.auto); err != nil {
		return err
	}
	service := c.service(s.cfg.shutdownTimeout)
	start, _ := service.Phases()
	return s.sup.Add(restart.Spec{
		Name: c.Name, Type: restart.Type(c.Restart), Significant: c.Significant, SlowStart: start != nil, Initial: initial,
	}, service)
}

// Remove stops a child and forgets it. It waits until the child has ended or its shutdown time
// has passed; in the latter case the error wraps [ErrAbandoned], and the child is forgotten all
// the same. So it does, and names them, if the child is a supervisor and children below it were
// abandoned and have still not ended. Other children go on. It returns an error that wraps
// [ErrNotFound] for an unknown name, and [ErrClosed] if the supervisor stops meanwhile.
func (s *Supervisor) Remove(name string) error { return s.sup.Remove(name) }

// Restart stops a child if it is running and starts it again, whatever its [Restart] says; that
// does not count towards the intensity, and other children go on. It waits until the start is
// complete. If the start fails, Restart returns the error and the child stays down. A child
// that waits for its backoff or for its turn in a group that is being restarted is restarted
// without further backoff, and Restart returns nil at once. It returns an error that wraps
// [ErrNotFound] for an unknown name, [ErrClosed] if the supervisor is not running or stops
// meanwhile, and [ErrShutdown] if another call stops the child before its start is complete.
func (s *Supervisor) Restart(name string) error { return s.sup.Restart(name) }

// Terminate stops a child, waiting like [Supervisor.Remove], but keeps it: it can be started
// again with [Supervisor.Restart], and is also started when the group that it belongs to is
// restarted. A temporary child is forgotten. For a child that is not running Terminate returns
// nil. It returns an error that wraps [ErrNotFound] for an unknown name, [ErrAbandoned] if the
// child, or one below it, did not end in time, and [ErrClosed] if the supervisor stops
// meanwhile.
func (s *Supervisor) Terminate(name string) error { return s.sup.Terminate(name) }

// Children returns the children in their order, as they are at this moment, with
// the children of nested supervisors. It never waits for a child, and for a
// service's own Children method for at most a second, see [ChildInfo]; it can be
// called before, during and after Serve.
func (s *Supervisor) Children() []ChildInfo { return childInfos(s.sup.Children()) }

// restarts returns how many restarts there have been, over all calls of Serve.
func (s *Supervisor) restarts() uint64 { return s.sup.Restarts() }

// eventOfChild are the events by what they tell of.
var eventOfChild = [...]EventKind{
	restart.Started: ChildStarted, restart.Failed: ChildFailed, restart.Stopped: ChildStopped,
	restart.Abandoned: ChildAbandoned, restart.GaveUp: SupervisorFailed, restart.Forgotten: 0,
}

// emit returns what makes events of what happens, or nil without a listener.
func (c *supervisorConfig) emit() func(restart.Event, time.Time) {
	bus, name, queue, tell := c.bus, c.name, c.queue, c.clock.TellTime
	if bus == nil {
		return nil
	}
	return func(e restart.Event, now time.Time) {
		kind := eventOfChild[e.Kind]
		if !bus.Wants(uint8(kind)) {
			return
		}
		ev := Event{Kind: kind, Time: tell(now), Queue: queue, Supervisor: name, By: e.Waited, Err: e.Err}
		if e.Child != nil {
			ev.Name = e.Child.Name
		}
		if kind == ChildStarted {
			ev.Restarts = e.Child.Restarts
		}
		bus.Emit(ev)
	}
}
