package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// A service is one simulated process: a queue under a supervisor of its own making,
// producers, periodic tasks, and a driver that does one thing after another and
// lets everything come to rest in between.
//
// A seed determines what is done, whatever comes of it: each step draws from a
// generator of its own. And hardly ever do two things happen at one moment, as each
// job and each pause of a producer takes a part of a millisecond of its own more.
type service struct {
	t        *testing.T
	seeds    *rand.Rand // of the steps
	rng      *rand.Rand // of this step
	q        *dray.Queue
	kind     *dray.Kind[dray.Func]
	serving  context.CancelFunc
	ended    chan error // of the present Serve
	failed   bool       // the tree has failed, and nobody has served the queue again
	closed   bool       // a shutdown has been called
	over     bool
	watched  bool
	most     int   // workers there ever were, and are lent
	serial   int   // of jobs and pauses
	plan     []int // what was done in each step
	overflow dray.Overflow
	lastStep string
	busy     sync.WaitGroup // producers
	report   dray.Report

	trace []string
	ledger
}

func newService(t *testing.T, seed uint64) *service {
	s := &service{t: t, seeds: rand.New(rand.NewPCG(seed, 11)), watched: seed%2 == 0}
	s.draw()
	s.ledger.init()
	workers, lent := 1+s.rng.IntN(4), s.rng.IntN(3)
	s.most = workers + lent
	capacity := 5 + s.rng.IntN(40)
	if s.rng.IntN(4) == 0 {
		capacity = 1000 // there is room for a rush
	}
	s.overflow = dray.Overflow(s.rng.IntN(4))
	opts := []dray.Option{
		dray.WithWorkers(workers), dray.WithStuckAllowance(lent), dray.WithCapacity(capacity),
		dray.WithOverflow(s.overflow), dray.WithShutdownTimeout(time.Duration(s.rng.IntN(20)) * time.Second),
		dray.WithPeriodic("steady", dray.Every(time.Duration(1+s.rng.IntN(60))*time.Second), s.task()),
	}
	if s.watched {
		opts = append(opts, dray.WithObserver(s.observe))
	}
	var err error
	s.q, err = dray.New(opts...)
	require.NoError(t, err)
	s.kind, err = dray.Handle(s.q, "kind", func(ctx context.Context, fn dray.Func) error { return fn(ctx) })
	require.NoError(t, err)
	s.serve()
	return s
}

// serve runs the queue, as a supervisor would.
func (s *service) serve() {
	var ctx context.Context
	ctx, s.serving = context.WithCancel(context.Background())
	s.ended = make(chan error, 1)
	s.failed = false
	go func() { s.ended <- s.q.Serve(ctx) }()
	synctest.Wait()
}

// step does one thing, lets it have all its consequences, and looks.
func (s *service) step() {
	s.lastStep = s.act()
	synctest.Wait()
	s.q.Stats() // may be the step at which a crash was to come
	synctest.Wait()
	s.hear()
	s.check()
	s.note()
}

// hear notices that the queue's tree has failed.
func (s *service) hear() {
	select {
	case err := <-s.ended:
		s.failed = true
		if !s.closed {
			require.ErrorIs(s.t, err, dray.ErrIntensity)
		}
	default:
	}
}

// draw begins with the random numbers of another step.
func (s *service) draw() { s.rng = rand.New(rand.NewPCG(s.seeds.Uint64(), 11)) }

// act does one thing at random, and says what.
func (s *service) act() string {
	s.draw()
	served := ""
	if s.rng.IntN(2) == 0 && s.failed {
		s.serve()
		served = "serve again, "
	}
	n := s.rng.IntN(100)
	s.plan = append(s.plan, n)
	return served + s.actOn(n)
}

func (s *service) actOn(n int) string {
	switch {
	case n < 28:
		return s.enqueueSome()
	case n < 30:
		return s.rush()
	case n < 36:
		return s.startProducer()
	case n < 60:
		return s.letTimePass()
	case n < 72:
		return s.control()
	case n < 80:
		id := dray.ID(1 + s.rng.Uint64N(1+s.q.Stats().Enqueued))
		return fmt.Sprint("cancel ", id, s.q.Cancel(id))
	case n < 83:
		return s.requeue()
	case n < 93:
		return s.crash()
	case n < 96:
		return s.schedule()
	case len(s.plan) > 12:
		return s.end()
	}
	return "rest"
}

// rush enqueues more at once than the owner collects in one go, while no worker is
// there to do it: what is due after that must not be overlooked.
func (s *service) rush() string {
	paused := s.q.Pause()
	n := min(130+s.rng.IntN(200), s.q.Stats().Capacity-s.capacityTaken())
	for range n {
		s.accept(s.q.Enqueue(noWait, s.run(draytest.Slow(time.Millisecond))))
	}
	d := time.Duration(1+s.rng.IntN(3000))*time.Millisecond + s.moment()
	if n > 0 { // and there was room for the last
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		s.accept(s.q.Enqueue(ctx, s.run(kit.Nop), dray.WithDelay(d), dray.WithLabel("after the rush")))
	}
	time.Sleep(d + time.Millisecond)
	synctest.Wait()
	if s.hear(); !s.failed { // by a crash in the rush, after which nothing comes due
		s.checkDue()
	}
	return fmt.Sprint("rush of ", n, paused, s.q.Resume())
}

// capacityTaken is at most how many jobs hold room.
func (s *service) capacityTaken() int {
	st := s.q.Stats()
	return st.Pending + st.Delayed
}

// moment returns a part of a millisecond that hardly anything else takes. They are
// drawn, not counted: sums of counted ones are equal now and then.
func (s *service) moment() time.Duration {
	s.serial++
	return time.Duration(s.rng.Int64N(int64(time.Millisecond)))
}

// letTimePass is mostly short and now and then long.
func (s *service) letTimePass() string {
	d := time.Duration(s.rng.IntN(1+[]int{10, 3000, 200_000}[s.rng.IntN(3)]))*time.Millisecond + s.moment()
	time.Sleep(d)
	return fmt.Sprint("sleep ", d)
}

// enqueueSome enqueues a burst.
func (s *service) enqueueSome() string {
	text := "enqueue"
	for range 1 + s.rng.IntN(8) {
		text += " " + s.enqueueOne(s.rng)
		synctest.Wait() // or the runtime decides whether a worker or the next job comes first
	}
	return text
}

// enqueueOne enqueues a job of one of the ways to end, in one of the ways to enqueue.
func (s *service) enqueueOne(rng *rand.Rand) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(3000))*time.Millisecond+s.moment())
	defer cancel()
	name, fn, opts := s.job(rng)
	var err error
	switch rng.IntN(7) {
	case 6:
		err = s.runOne(ctx, fn, opts)
	case 0, 1:
		err = s.q.Enqueue(ctx, fn, opts...)
	case 2:
		_, err = s.q.EnqueueSync(ctx, fn, opts...)
	case 3:
		err = s.kind.Enqueue(ctx, fn, opts...)
	case 4:
		_, err = dray.Submit(ctx, s.q, func(ctx context.Context) (int, error) { return 0, fn(ctx) }, opts...)
	default:
		err = s.q.Enqueue(ctx, fn)
	}
	s.accept(err)
	return fmt.Sprint(name, ":", err)
}

// runOne waits for a job, whose record is used again afterwards. Whether a job was
// accepted whose caller gives up while it waits for room, Run does not say.
func (s *service) runOne(ctx context.Context, fn dray.Func, opts []dray.JobOption) error {
	if s.overflow == dray.Block {
		return s.q.Enqueue(ctx, fn, opts...)
	}
	_, err := dray.Run(ctx, s.q, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
	switch {
	case errors.Is(err, dray.ErrClosed), errors.Is(err, dray.ErrQueueFull):
		return err
	}
	return nil // accepted, whatever came of it
}

// startProducer has jobs enqueued while other things happen.
func (s *service) startProducer() string {
	rng := rand.New(rand.NewPCG(s.rng.Uint64(), 0))
	n := 1 + rng.IntN(20)
	pauses := make([]time.Duration, n)
	for i := range pauses {
		pauses[i] = time.Duration(rng.IntN(500))*time.Millisecond + s.moment()
	}
	s.busy.Go(func() {
		for _, d := range pauses {
			time.Sleep(d)
			s.accept(s.q.Enqueue(noWait, s.run(draytest.Slow(d))))
		}
	})
	return fmt.Sprint("producer of ", n)
}

// noWait is a context with which Block does not wait.
var noWait = context.Background()

// control changes how the queue works.
func (s *service) control() string {
	switch s.rng.IntN(6) {
	case 0:
		return fmt.Sprint("pause ", s.q.Pause())
	case 1, 2:
		return fmt.Sprint("resume ", s.q.Resume())
	case 3:
		return fmt.Sprint("pause kind ", s.q.PauseKind("kind"))
	case 4:
		return fmt.Sprint("resume kind ", s.q.ResumeKind("kind"))
	default:
		n := 1 + s.rng.IntN(6)
		s.most = max(s.most, n+2)
		return fmt.Sprint("resize ", n, s.q.Resize(n))
	}
}

func (s *service) requeue() string {
	failures := s.q.Failures()
	if len(failures) == 0 {
		return "nothing to requeue"
	}
	id := failures[s.rng.IntN(len(failures))].ID
	err := s.q.Requeue(id)
	s.accept(err)
	return fmt.Sprint("requeue ", id, err)
}

// crash lets the owner, a worker or the scheduler die: the first two at the next
// step of that name, whoever makes it.
func (s *service) crash() string {
	if s.rng.IntN(4) == 0 {
		err := s.q.Scheduler().Schedule("deadly", deadly{}, s.task())
		return fmt.Sprint("crash of the scheduler ", err)
	}
	steps := []string{"change", "collect", "admit", "advance", "effects", "settle"}
	where, exits := steps[s.rng.IntN(len(steps))], s.rng.IntN(2) == 0
	var once sync.Once
	testhook.Inside(s.q).Fault(func(at string) {
		if at == where {
			once.Do(func() {
				if exits && at == "settle" {
					runtime.Goexit()
				}
				panic("injected: " + at)
			})
		}
	})
	testhook.Inside(s.q).Poke()
	return fmt.Sprint("crash at ", where, exits)
}

// deadly is a schedule that takes the scheduler along, one second after its start.
type deadly struct{}

func (deadly) Next(after time.Time) time.Time {
	if after.Nanosecond() == 77 {
		runtime.Goexit()
	}
	return after.Truncate(time.Second).Add(time.Second + 77)
}

func (s *service) schedule() string {
	name := fmt.Sprint("task ", s.rng.IntN(3))
	if s.rng.IntN(3) == 0 {
		return fmt.Sprint("unschedule ", name, s.q.Scheduler().Unschedule(name))
	}
	every := time.Duration(1+s.rng.IntN(20))*time.Second + s.moment()
	overlap := dray.Overlap(s.rng.IntN(4))
	err := s.q.Scheduler().Schedule(name, dray.Every(every), s.task(), dray.WithOverlap(overlap))
	return fmt.Sprint("schedule ", name, every, err)
}

// task is what periodic tasks run.
func (s *service) task() dray.Func {
	d := time.Duration(s.rng.IntN(3000))*time.Millisecond + s.moment()
	return s.runTask(draytest.Slow(d))
}

// end shuts the service down in one of five ways.
func (s *service) end() string {
	s.closed, s.over = true, true
	way := s.rng.IntN(5)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.rng.IntN(100))*time.Second+s.moment())
	defer cancel()
	var err error
	switch way {
	case 0:
		err = s.q.Close()
	case 1:
		s.serving()
		if !s.failed { // else that has been heard
			err = <-s.ended
			s.failed = true
		}
	case 2:
		_, err = s.q.Shutdown(context.Background())
	case 4:
		err = s.cutShort()
	}
	if way != 3 {
		cancel() // for what is left of the way: the report is there
	}
	var second error
	s.report, second = s.q.Shutdown(ctx)
	err = errors.Join(err, second)
	return fmt.Sprint("end ", way, err)
}

// cutShort is a second Shutdown, whose context has ended, in the middle of the first:
// both end, and with the same report.
func (s *service) cutShort() error {
	first := make(chan dray.Report, 1)
	go func() {
		r, _ := s.q.Shutdown(context.Background())
		first <- r
	}()
	time.Sleep(time.Duration(s.rng.IntN(3))*time.Second + s.moment())
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := s.q.Shutdown(ended)
	f := <-first
	require.Equal(s.t, []int{len(r.Waiting), len(r.Interrupted), len(r.Abandoned)},
		[]int{len(f.Waiting), len(f.Interrupted), len(f.Abandoned)}, "the reports of two calls")
	return err
}
