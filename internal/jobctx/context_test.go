package jobctx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An owner is a worker without a queue.
type owner struct {
	book   *Book
	mark   uint64
	mu     sync.Mutex
	bounds Bounds // guarded by mu
}

func newOwner() *owner {
	o := &owner{}
	o.book = NewBook(o, func(t time.Time) time.Time { return t.Add(time.Hour) })
	return o
}

func (o *owner) Bounds() Bounds {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bounds
}

func (o *owner) bound(b Bounds) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bounds = b
}

// begin returns the context of a job that has just begun.
func (o *owner) begin(base context.Context) Context {
	o.mark++
	o.book.Begin(base, o.mark)
	return o.present()
}

func (o *owner) present() Context { return o.book.Current().(Context) } //nolint:forcetypeassert // it is one

func (o *owner) end() {
	o.mark++
	o.book.End(o.mark)
}

var (
	base  = context.WithValue(context.Background(), key("queue"), 1)
	errIn = errors.New("cancelled in time")
)

type (
	key        string
	generation int
)

func TestPagesFillTheirSizeClasses(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the sizes are chosen for 64 bits")
	}
	require.EqualValues(t, 8, reflect.TypeFor[cell]().Size())
	require.EqualValues(t, 72, reflect.TypeFor[single]().Size(), "of 80")
	require.EqualValues(t, 256, reflect.TypeFor[whole]().Size())
}

// Contexts cost a page now and then, and nothing else.
func TestContextsCostTheirPage(t *testing.T) {
	o := newOwner()
	for _, ends := range []bool{false, true} {
		o.book.Leave()
		got := testing.AllocsPerRun(100, func() {
			for range pageCells * perCell {
				o.begin(base)
				if ends {
					o.end()
				}
			}
		})
		require.LessOrEqual(t, got, 1.0)
	}
}

// What is shown is what was given last, with every job.
func TestMark(t *testing.T) {
	o := newOwner()
	for range 3 * pageCells * perCell {
		o.begin(base)
		require.Equal(t, o.mark, o.book.Mark())
	}
	o.end()
	require.Equal(t, o.mark, o.book.Mark())
	o.book.End(1<<(64-numberBits) - 1)
	require.Equal(t, uint64(1<<(64-numberBits)-1), o.book.Mark())
	require.LessOrEqual(t, pageCells*perCell, 1<<numberBits-1)
}

// A job is one attempt of the model: its context lives exactly as long as it runs.
type job struct {
	ctx     Context
	running bool
	values  *Values
	cause   error // of its end
}

func (j *job) check(t *testing.T, o *owner) {
	err := j.ctx.Err()
	select {
	case <-j.ctx.Done():
		require.Error(t, err)
	default:
		require.NoError(t, err)
	}
	require.Equal(t, 1, j.ctx.Value(key("queue")))
	if j.values != nil {
		require.Equal(t, j, j.ctx.Value(key("own")))
	} else {
		require.Nil(t, j.ctx.Value(key("own")))
	}
	require.Equal(t, j.ctx, From(context.WithValue(j.ctx, key("derived"), 1)))
	require.Equal(t, j.running, Running(j.ctx))
	if j.running {
		require.Same(t, o, OwnerOf(j.ctx))
	}
	want := context.Canceled
	if j.running && j.cause == nil {
		want = nil
	}
	require.Equal(t, want, err)
	if j.running {
		require.Equal(t, j.cause, context.Cause(j.ctx))
	}
}

// However jobs come, and whenever their contexts are looked at for the first time and
// again, each context is alive while its own job runs, and at no other time.
func TestContextsLiveAsLongAsTheirJobs(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := newOwner()
		var all []*job
		present := func() *job { return all[len(all)-1] }
		begin := func() {
			j := &job{running: true}
			over := base
			if rng.IntN(8) == 0 {
				j.values = ValuesOf(context.WithValue(context.Background(), key("own"), j), nil)
				over = j.values.Over(base)
			}
			o.bound(Bounds{})
			j.ctx = o.begin(over)
			all = append(all, j)
		}
		end := func() {
			present().running = false
			o.end()
		}
		begin()
		for range 400 {
			switch rng.IntN(6) {
			case 0:
				end()
				begin()
			case 1: // one claims the next job itself
				present().running = false
				begin()
			case 2:
				all[rng.IntN(len(all))].check(t, o)
			case 3:
				present().check(t, o)
			case 4:
				if present().cause == nil && rng.IntN(4) == 0 {
					present().cause = errIn
					o.bound(Bounds{Ended: errIn})
					o.book.Cancel(errIn)
				}
			case 5:
				if rng.IntN(20) == 0 {
					end()
					o.book.Leave()
					for _, j := range all {
						j.check(t, o)
						require.Nil(t, OwnerOf(j.ctx))
					}
					begin()
				}
			}
		}
		end()
		seen := map[context.Context]bool{}
		for _, j := range all {
			j.check(t, o)
			require.False(t, seen[j.ctx], "two jobs with one context")
			seen[j.ctx] = true
		}
	}
}

// A page that was turned keeps no owner, and few standard contexts.
func TestPagesLeadNowhere(t *testing.T) {
	o := newOwner()
	pages := map[*page]bool{}
	for range 50 * maxUsed {
		c := o.begin(base)
		_ = c.Done()
		pages[c.onPage()] = true
		o.end()
	}
	require.Greater(t, len(pages), 40)
	for p := range pages {
		require.LessOrEqual(t, len(p.used), maxUsed)
		require.True(t, p.book.Load() == nil || p == o.book.page)
	}
}

func TestAPageOfItsOwnIsLeftAtTheEnd(t *testing.T) {
	o := newOwner()
	c := o.begin(ValuesOf(base, nil).Over(base))
	require.Len(t, c.onPage().cells, 1)
	require.NotNil(t, OwnerOf(c))
	o.end()
	o.end() // as after a crash
	require.Nil(t, OwnerOf(c))
	require.Nil(t, o.book.page)
	require.Equal(t, context.Canceled, c.Err())
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner()
		at := time.Now().Add(time.Minute)
		c := o.begin(base)
		o.bound(Bounds{Deadline: at, Cause: errIn})
		end, ok := c.Deadline()
		require.True(t, ok)
		require.Equal(t, at.Add(time.Hour), end, "as it is told")
		require.NoError(t, c.Err())
		time.Sleep(time.Minute)
		<-c.Done()
		require.Equal(t, context.DeadlineExceeded, c.Err())
		require.Equal(t, errIn, context.Cause(c))
		o.end()
		require.Equal(t, context.DeadlineExceeded, c.Err(), "and stays so")

		late := o.begin(base)
		o.bound(Bounds{Deadline: at, Cause: errIn}) // it has passed
		require.Equal(t, context.DeadlineExceeded, late.Err())
		o.end()

		unused := o.begin(base)
		o.end()
		_, ok = unused.Deadline()
		require.False(t, ok)
		require.Equal(t, context.Canceled, unused.Err())
		require.Equal(t, "dray.Job", fmt.Sprint(unused))
	})
}

// Many goroutines look at contexts while their jobs come and go: to none does one come
// back to life, and once the job has returned all have ended. With the race detector.
func TestContextsAreLookedAtFromEverywhere(t *testing.T) {
	o := newOwner()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 300 {
		c := o.begin(base)
		var ended sync.WaitGroup
		returned := make(chan struct{})
		for range 3 {
			ended.Add(1)
			wg.Go(func() {
				_ = c.Err()
				ended.Done()
				<-returned
				if c.Err() == nil || Running(c) {
					t.Error("it lives on")
				}
			})
		}
		o.begin(base)
		close(returned)
		ended.Wait()
		o.end()
	}
}

// A chain of jobs that each enqueue the next one has the values of the first call and of
// the last ten; one that adds nothing has no chain.
func TestGenerations(t *testing.T) {
	o := newOwner()
	ctx := context.WithValue(context.Background(), key("first"), 1)
	var from Context
	first := ValuesOf(ctx, nil).first
	for g := range 50 {
		v := ValuesOf(ctx, from)
		require.Equal(t, first, v.first, "else it would be a chain, however little is seen of that")
		if from != nil {
			require.Same(t, v, ValuesOf(o.begin(v.Over(base)), o.present()), "what is handed on as it is")
			o.end()
		}
		from = o.begin(v.Over(base))
		require.Equal(t, 1, from.Value(key("first")))
		require.Equal(t, 1, from.Value(key("queue")))
		for i := range g {
			want := any(nil)
			if i >= g-generations {
				want = i
			}
			require.Equal(t, want, from.Value(generation(i)), "of %d in %d", i, g)
		}
		ctx = context.WithValue(from, generation(g), g) // the next job is enqueued with it
		o.end()
	}
}

// The contexts of a cell have one address and are eight contexts all the same, each of
// which gives itself away, and not another one.
func TestContextsOfACell(t *testing.T) {
	c := &cell{page: newPage(base)}
	seen := map[context.Context]bool{}
	for i := range perCell {
		ctx := c.at(i)
		require.False(t, seen[ctx])
		seen[ctx] = true
		require.Same(t, c.page, From(ctx).onPage())
		if c.at(i) != ctx || context.Context(From(ctx)) != ctx || (&cell{page: c.page}).at(i) == ctx {
			t.Errorf("context %d is not itself, or is another one", i)
		}
	}
	require.Len(t, seen, perCell)
}

// A page is used up to its end, and no further.
func TestPagesAreUsedUp(t *testing.T) {
	o := newOwner()
	pages := map[*page]int{}
	for range 3 * pageCells * perCell {
		pages[o.begin(base).onPage()]++
	}
	require.Len(t, pages, 3)
	for _, n := range pages {
		require.Equal(t, pageCells*perCell, n)
	}
	o.end()
}
