package simulation_test

import (
	"context"
	"flag"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

var histories = flag.Int("histories", 400, "how many histories TestLinearizable checks")

// A history is what some goroutines did to a queue with one worker, and what they
// got. The clock of calls and returns is a counter, so that all moments differ.
type history struct {
	q     *dray.Queue
	clock atomic.Int64
	jobs  atomic.Int32 // their numbers

	mu  sync.Mutex
	ops []porcupine.Operation

	free    int64       // when the worker last became free; the worker's own
	settled func(int64) // completes the settlement under way; the worker's own
}

// TestLinearizable: whatever concurrent callers and the worker see, there is an
// order of all operations, each at one moment between its call and its return, in
// which a plain FIFO would have given the same answers.
func TestLinearizable(t *testing.T) {
	unknown := 0
	for seed := range uint64(*histories) {
		ops := record4(t, seed)
		switch porcupine.CheckOperationsTimeout(fifoModel, ops, 10*time.Second) {
		case porcupine.Illegal:
			require.FailNow(t, "not linearizable", "seed %d: %+v", seed, ops)
		case porcupine.Unknown:
			unknown++
		}
	}
	require.LessOrEqual(t, unknown, *histories/100, "most histories are too long to be checked")
}

// TestLinearizabilityIsChecked: the checker finds a worker that takes the second
// job first, and a caller that got a wrong position.
func TestLinearizabilityIsChecked(t *testing.T) {
	good := []porcupine.Operation{
		{Input: input{verb: enqueueSync, job: 1}, Call: 1, Output: output{receipt: dray.Receipt{ID: 1, Position: 1}}, Return: 2},
		{Input: input{verb: enqueueSync, job: 2}, Call: 3, Output: output{receipt: dray.Receipt{ID: 2, Position: 2}}, Return: 4},
		{Input: input{verb: claim, job: 1}, Call: 0, Output: output{}, Return: 5},
	}
	require.True(t, porcupine.CheckOperations(fifoModel, good))
	good[2].Input = input{verb: claim, job: 2}
	require.False(t, porcupine.CheckOperations(fifoModel, good))
	good[2].Input = input{verb: claim, job: 1}
	good[1].Output = output{receipt: dray.Receipt{ID: 2, Position: 3}}
	require.False(t, porcupine.CheckOperations(fifoModel, good))
}

// record4 lets four goroutines act, one of which ends the queue, and returns the history.
func record4(t testing.TB, seed uint64) []porcupine.Operation {
	q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(fifoCapacity))
	require.NoError(t, err)
	h := &history{q: q, settled: func(int64) {}}
	require.NoError(t, q.Start())
	var wg sync.WaitGroup
	for client := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(client)))
		wg.Go(func() {
			for range 5 {
				h.act(client, rng)
			}
			if client == 0 {
				h.shutdown(client)
			}
		})
	}
	wg.Wait()
	h.settled(math.MaxInt64)
	return h.ops
}

// act does one thing at random.
func (h *history) act(client int, rng *rand.Rand) {
	for range rng.IntN(200) {
		runtime.Gosched()
	}
	ctx := context.Background()
	in, out := input{}, output{}
	call := h.clock.Add(1)
	switch rng.IntN(10) {
	case 0, 1, 2:
		in = input{verb: enqueue, job: byte(h.jobs.Add(1))}
		out.err = h.q.Enqueue(ctx, h.job(in.job))
	case 3, 4, 5:
		in = input{verb: enqueueSync, job: byte(h.jobs.Add(1))}
		out.receipt, out.err = h.q.EnqueueSync(ctx, h.job(in.job))
	case 6:
		in.verb, out.stats = stats, timeless(h.q.Stats())
	case 7:
		in.verb, out.err = pause, h.q.Pause()
	case 8:
		in.verb, out.err = resume, h.q.Resume()
	default:
		in = input{verb: cancel, id: dray.ID(1 + rng.IntN(8))}
		out.err = h.q.Cancel(in.id)
	}
	h.add(client, in, call, out, h.clock.Add(1))
}

// shutdown is one call and two operations: it takes no more from some moment on,
// and is over at another.
func (h *history) shutdown(client int) {
	call := h.clock.Add(1)
	report, err := h.q.Shutdown(context.Background())
	out := output{err: err}
	for _, l := range report.Waiting {
		out.left += string(rune(h.nameOf(l)))
	}
	at := h.clock.Add(1)
	h.add(client, input{verb: refuse}, call, output{}, at)
	h.add(client, input{verb: leave}, call, out, at)
}

// job is a job that notes its claim and its settlement. These happen somewhere
// between what the worker can see: the end of one job and the start of the next.
func (h *history) job(number byte) dray.Func {
	return func(ctx context.Context) error {
		if ctx.Value(nameKey{}) != nil {
			return named(number)
		}
		begun := h.clock.Add(1)
		h.settled(begun)
		h.add(workerClient, input{verb: claim, job: number}, h.free, output{}, begun)
		ended := h.clock.Add(1)
		h.free = ended
		h.settled = func(by int64) { h.add(workerClient, input{verb: settle, job: number}, ended, output{}, by) }
		return nil
	}
}

const workerClient = 4

// nameKey in a job's context asks it for its number.
type nameKey struct{}

type named byte

func (named) Error() string { return "the number of a job" }

func (*history) nameOf(l dray.Leftover) byte {
	n, _ := l.Func(context.WithValue(context.Background(), nameKey{}, true)).(named) //nolint:errorlint // not wrapped
	return byte(n)
}

func (h *history) add(client int, in input, call int64, out output, ret int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: ret})
}

// timeless keeps of the books what the model has.
func timeless(s dray.Stats) dray.Stats {
	return dray.Stats{
		Pending: s.Pending, Running: s.Running, Enqueued: s.Enqueued, Processed: s.Processed,
		Cancelled: s.Cancelled, Rejected: s.Rejected, Paused: s.Paused,
	}
}
