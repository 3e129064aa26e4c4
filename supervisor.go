package dray

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
var ErrAbandoned = errors.New("dray: abandoned")

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
// [Supervisor.Boot]), the others take jobs. It sets them no shutdown time, and shows
// their children. A type of yours that embeds one is a service like any other. It runs
// it in its Serve, or boots a supervisor in an Init and serves it in its Serve; give it
// a negative shutdown time, see [Child], or the stop of what is below may be cut short.
//
// A supervisor is made by [NewSupervisor]; the zero value is not usable.
type Supervisor struct {
	cfg    supervisorConfig // immutable
	herald *herald          // immutable; nil when nobody listens
	asker  *delayAsker      // immutable; nil without a backoff

	restarted atomic.Uint64 // written by the keeper, read by anyone

	mu     sync.Mutex // held for moments, never while waiting
	keeper *keeper    // guarded by mu; not nil while there are children to look after
	booted *keeper    // guarded by mu; what Boot has begun and Serve has still to take over, perhaps over
	tree   *tree      // the keeper's while there is one, guarded by mu otherwise

	inner map[*Supervisor]int // guarded by nesting: the children that are supervisors
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
// newSupervisorConfig. A cfg.herald takes precedence over observers and logger.
func newSupervisor(cfg supervisorConfig) (*Supervisor, error) {
	if cfg.strategy > OneForAll {
		return nil, fmt.Errorf("dray: NewSupervisor: unknown strategy %v", cfg.strategy)
	}
	s := &Supervisor{cfg: cfg, herald: cfg.herald}
	if s.herald == nil {
		s.herald = newHerald(cfg.common)
	}
	if cfg.backoff != nil {
		s.asker = &delayAsker{backoff: cfg.backoff}
	}
	s.tree = newTree(&s.cfg, s.herald != nil)
	s.tree.release = s.unlink
	for _, c := range cfg.children {
		if err := s.add(c, true); err != nil {
			return nil, err
		}
	}
	return s, nil
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
func (s *Supervisor) Serve(ctx context.Context) error { return s.serve(ctx, false) }

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

// The two phases of a nested supervisor, whose ctx comes from its parent.
func (s *Supervisor) bootNested(ctx context.Context) error  { return s.boot(ctx, true) }
func (s *Supervisor) serveNested(ctx context.Context) error { return s.serve(ctx, true) }

func (s *Supervisor) serve(ctx context.Context, ours bool) error {
	end, err := newEnd(ctx, ours)
	if err != nil {
		return err
	}
	k, taken, err := s.open(end)
	switch {
	case err != nil:
		return err
	case taken:
		k.adopt(end)
		<-k.closed
	default:
		k.run()
	}
	return k.outcome
}

func (s *Supervisor) boot(ctx context.Context, ours bool) error {
	end, err := newEnd(ctx, ours)
	switch {
	case err != nil:
		return err
	case end.before:
		return causeOf(ctx)
	}
	k, err := s.openNew(end)
	if err != nil {
		return err
	}
	k.boots = true
	go func() {
		unlabel()
		k.run()
	}()
	<-k.up
	if !k.failed {
		return nil
	}
	<-k.closed
	if k.outcome == nil {
		return causeOf(ctx)
	}
	return k.outcome
}

// open makes the caller the supervisor's goroutine, unless there is one, or has it
// take over what Boot has begun.
func (s *Supervisor) open(end end) (k *keeper, taken bool, err error) {
	s.mu.Lock()
	k, s.booted = s.booted, nil
	s.mu.Unlock()
	if k != nil {
		return k, true, nil
	}
	k, err = s.openNew(end)
	return k, false, err
}

func (s *Supervisor) openNew(end end) (*keeper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeper != nil {
		return nil, wrapf(ErrStarted, "supervisor %q", s.cfg.name)
	}
	s.keeper, s.booted = newKeeper(end, s), nil
	return s.keeper, nil
}

// close gives the tree back to the lock. Calls that the keeper did not take any
// more see the closed channel and try again.
func (s *Supervisor) close(k *keeper) {
	s.mu.Lock()
	s.keeper = nil
	s.mu.Unlock()
	close(k.closed)
}

// Add appends a child. If the supervisor is running, Add starts the child and
// waits until its start is complete (see [Initer]); if that fails, Add returns
// the error and the child is forgotten. But Add does not wait while earlier
// children are still being started or restarted: it returns nil at once, the
// child is started after them, and a failure is treated as a failed restart.
//
// It returns an error that wraps [ErrDuplicate] if there is a child of that
// name, [ErrClosed] while the supervisor stops, [ErrShutdown] if somebody else
// stops the child before its start is complete, and an error for an empty name,
// a nil service, an invalid combination of the other fields, and a supervisor that
// s itself is within, or is.
func (s *Supervisor) Add(c Child) error {
	return s.add(c, false)
}

func (s *Supervisor) add(c Child, given bool) error {
	if err := c.validate(s.cfg.auto); err != nil {
		return err
	}
	if err := s.link(c.Name, c.Service); err != nil {
		return err
	}
	return s.call(func(t *tree, w waiter) { t.add(c, given, w) })
}

// Remove stops a child and forgets it. It waits until the child has ended or
// its shutdown time has passed; in the latter case the error wraps
// [ErrAbandoned], and the child is forgotten all the same. So it does, and names
// them, if the child is a supervisor and children below it were abandoned and have
// still not ended. Other children go on.
// It returns an error that wraps [ErrNotFound] for an unknown name, and
// [ErrClosed] if the supervisor stops meanwhile.
func (s *Supervisor) Remove(name string) error {
	return s.call(func(t *tree, w waiter) { t.remove(name, w) })
}

// Restart stops a child if it is running and starts it again, whatever its
// [Restart] says; that does not count towards the intensity, and other children
// go on. It waits until the start is complete. If the start fails, Restart
// returns the error and the child stays down. A child that waits for its backoff
// or for its turn in a group that is being restarted is restarted without
// further backoff, and Restart returns nil at once.
// It returns an error that wraps [ErrNotFound] for an unknown name, [ErrClosed]
// if the supervisor is not running or stops meanwhile, and [ErrShutdown] if
// somebody else stops the child before its start is complete.
func (s *Supervisor) Restart(name string) error {
	return s.call(func(t *tree, w waiter) { t.restartByHand(name, w) })
}

// Terminate stops a child, waiting like [Supervisor.Remove], but keeps it: it
// can be started again with [Supervisor.Restart], and is also started when the
// group that it belongs to is restarted. A temporary child is forgotten. For a
// child that is not running Terminate returns nil.
// It returns an error that wraps [ErrNotFound] for an unknown name,
// [ErrAbandoned] if the child, or one below it, did not end in time, and
// [ErrClosed] if the supervisor stops meanwhile.
func (s *Supervisor) Terminate(name string) error {
	return s.call(func(t *tree, w waiter) { t.terminate(name, w) })
}

// Children returns the children in their order, as they are at this moment, with
// the children of nested supervisors. It never waits for a child, and for a
// service's own Children method for at most a second, see [ChildInfo]; it can be
// called before, during and after Serve.
func (s *Supervisor) Children() []ChildInfo { return infosOf(s.list()) }

// restarts returns how many restarts there have been, over all calls of Serve.
func (s *Supervisor) restarts() uint64 { return s.restarted.Load() }

// call runs do on the tree, wherever that is, and waits for the answer.
func (s *Supervisor) call(do func(*tree, waiter)) error {
	answer := make(chan error, 1) // buffered: giving it waits for nobody
	for !s.handOver(func(t *tree) { do(t, answer) }) {
	}
	return <-answer
}

// handOver returns false if the keeper closed before it took the request.
func (s *Supervisor) handOver(do request) bool {
	s.mu.Lock()
	k := s.keeper
	if k == nil {
		do(s.tree)
		s.tree.deliver()
	}
	s.mu.Unlock()
	if k == nil {
		return true
	}
	select {
	case k.requests <- do:
		return true
	case <-k.closed:
		return false
	}
}
