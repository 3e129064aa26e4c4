package dray

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
)

// SharedOption is an option that a queue, a pool and a supervisor all take.
type SharedOption interface {
	Option
	PoolOption
	SupervisorOption
}

// common is what a queue, a pool and a supervisor have in common. It is not
// changed after construction.
type common struct {
	name            string
	clock           *clock.Clock
	logger          *slog.Logger // nil: discard
	observers       []observer
	shutdownTimeout time.Duration
}

func newCommon(name string) common {
	return common{name: name, clock: clock.New(), shutdownTimeout: defaultShutdownTimeout}
}

// defaultShutdownTimeout leaves room for two of it, drain and cancel, within the
// 10 s in which Docker and systemd units commonly expect a service to stop.
const defaultShutdownTimeout = 5 * time.Second

type sharedOption func(*common) error

func (o sharedOption) applyQueue(c *config) error                { return o(&c.common) }
func (o sharedOption) applyPool(c *poolConfig) error             { return o(&c.common) }
func (o sharedOption) applySupervisor(c *supervisorConfig) error { return o(&c.common) }

// WithName names the queue, pool or supervisor in events, logs and errors.
// Defaults to "dray", "pool" and "supervisor".
func WithName(name string) SharedOption {
	return sharedOption(func(c *common) error {
		if name == "" {
			return errors.New("dray: WithName: empty name")
		}
		c.name = name
		return nil
	})
}

// WithLogger writes to l what an operator should know of. Every record has the
// attribute "dray", the name ([WithName]):
//
//   - ERROR: a job, a child or a supervisor failed, a child does not stop, a rate
//     limiter failed;
//   - WARN: an attempt failed and another one follows, a job ignores its cancelled
//     context, jobs were rejected or evicted as the queue was full, a run of a
//     periodic task was skipped, a child was restarted, the clock was set, an
//     observer is too slow or does not return, a queue stopped and left jobs;
//   - INFO: a queue started or stopped, jobs were rejected for another reason, or
//     replaced under their unique key;
//   - DEBUG: a run was left to another instance ([WithLock]).
//
// Rejected, evicted and replaced jobs are logged as numbers: the first at once, and
// those after it once a second, or where it is no more than INFO once a minute, and
// at the end of the queue. The numbers of the rejected add up to Stats.Rejected,
// those of the evicted and the replaced to Stats.Evicted. A panic is logged with its
// place and its stack. docs/logs.md has the messages and their attributes.
//
// Records are written by a goroutine of their own, as with an [Observer], so a slow
// handler delays no job and no observer. The text of a job's error is the one that it
// had when the job ended. Defaults to discarding them.
func WithLogger(l *slog.Logger) SharedOption {
	return sharedOption(func(c *common) error {
		if l == nil {
			return errors.New("dray: WithLogger: nil logger")
		}
		c.logger = l
		return nil
	})
}

// WithObserver adds an observer of the events of these kinds, or of all if none is given.
// It may be given several times. See [Observer] for what an observer may do.
//
// Events that no observer has asked for are not even made. What is made for each job costs
// several times as much as a plain job does; a logger, or an observer of what is rare, such
// as [JobFailed] and [JobStuck], costs the others next to nothing (docs/performance.md).
func WithObserver(o Observer, kinds ...EventKind) SharedOption {
	return sharedOption(func(c *common) error {
		if o == nil {
			return errors.New("dray: WithObserver: nil observer")
		}
		for _, k := range kinds {
			if !k.known() {
				return fmt.Errorf("dray: WithObserver: no such kind of event: %d", k)
			}
		}
		c.observers = append(c.observers, observer{o, kindsOf(kinds...)})
		return nil
	})
}

// WithShutdownTimeout bounds the wait for what does not end by itself.
//
// For a queue or pool it is how long Close, Shutdown past its deadline, and
// Serve after its context has ended wait for running jobs once these are
// cancelled, and for observers; Serve drains for as long before that. For a supervisor it is the
// shutdown time of children that state none of their own. Defaults to 5 s; at
// least 0, which does not wait at all.
func WithShutdownTimeout(d time.Duration) SharedOption {
	return sharedOption(func(c *common) error {
		if d < 0 {
			return errors.New("dray: WithShutdownTimeout: negative duration")
		}
		c.shutdownTimeout = d
		return nil
	})
}
