package peers

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"
	"github.com/reugn/go-quartz/quartz"
	"github.com/robfig/cron/v3"

	"github.com/a622d8ee/dray"
)

// A Scheduler runs functions at times.
type Scheduler interface {
	Start()
	// Add schedules fn as the i-th task.
	Add(i int, when Grid, fn func())
	// Remove takes the i-th task back.
	Remove(i int)
	// Close returns when no goroutine of the scheduler is left.
	Close()
}

// A SchedulerMaker makes the schedulers of one contender, with room for n tasks.
type SchedulerMaker struct {
	Name   string
	New    func(n int) Scheduler
	Linear bool // in the number of tasks, to add one: a hundred thousand take minutes
}

// Schedulers returns all contenders; the first, bare timers, is what it costs at least.
func Schedulers() []SchedulerMaker {
	return []SchedulerMaker{
		{Name: "time.AfterFunc", New: func(n int) Scheduler { return &timers{all: make([]*time.Timer, n)} }},
		{Name: "dray", New: newDrayScheduler},
		{Name: "gocron", New: newGocron},
		{Name: "robfig/cron", New: func(n int) Scheduler { return &robfig{cron.New(), make([]cron.EntryID, n)} }},
		{Name: "go-quartz", New: newQuartz, Linear: true},
	}
}

// A Grid is all the times First + k × Every.
type Grid struct {
	First time.Time
	Every time.Duration
}

// Next returns the first time of the grid after the given one. It makes a Grid
// a schedule of dray and of robfig/cron.
func (g Grid) Next(after time.Time) time.Time {
	if after.Before(g.First) {
		return g.First
	}
	return after.Add(g.Every - after.Sub(g.First)%g.Every)
}

// NextFireTime makes a Grid a trigger of go-quartz.
func (g Grid) NextFireTime(prev int64) (int64, error) {
	return g.Next(time.Unix(0, prev)).UnixNano(), nil
}

// Description makes a Grid a trigger of go-quartz.
func (g Grid) Description() string { return "grid" }

// taskName names the i-th task for those that want a name.
func taskName(i int) string { return strconv.Itoa(i) }

type timers struct {
	all     []*time.Timer
	stopped atomic.Bool // by Close: a timer that was just being set again goes off once, and no more
}

func (*timers) Start() {}

func (t *timers) Add(i int, when Grid, fn func()) {
	ready := make(chan struct{}) // the timer can go off before its variable is set
	t.all[i] = time.AfterFunc(time.Until(when.First), func() {
		<-ready
		if !t.stopped.Load() {
			t.all[i].Reset(time.Until(when.Next(time.Now())))
			fn()
		}
	})
	close(ready)
}

func (t *timers) Remove(i int) { t.all[i].Stop() }

func (t *timers) Close() {
	t.stopped.Store(true)
	for _, timer := range t.all {
		timer.Stop()
	}
}

type drayScheduler struct {
	*DrayPool
	*dray.Scheduler
}

func newDrayScheduler(int) Scheduler {
	q, err := dray.New(dray.WithCapacity(dray.Unbounded))
	check(err)
	return drayScheduler{&DrayPool{q}, q.Scheduler()}
}

func (s drayScheduler) Start() { check(s.Queue.Start()) }

func (s drayScheduler) Add(i int, when Grid, fn func()) {
	check(s.Schedule(taskName(i), when, func(context.Context) error { fn(); return nil }))
}

func (s drayScheduler) Remove(i int) { check(s.Unschedule(taskName(i))) }

// WatchedScheduler is that of dray while its tasks are read every second.
var WatchedScheduler = SchedulerMaker{Name: "dray, Tasks read every second", New: func(n int) Scheduler {
	return &watched{drayScheduler: newDrayScheduler(n).(drayScheduler), stop: make(chan struct{})}
}}

type watched struct {
	drayScheduler
	stop    chan struct{}
	reading sync.WaitGroup
}

func (w *watched) Start() {
	w.drayScheduler.Start()
	w.reading.Go(func() {
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for {
			w.Tasks()
			select {
			case <-second.C:
			case <-w.stop:
				return
			}
		}
	})
}

func (w *watched) Close() {
	close(w.stop)
	w.reading.Wait()
	w.drayScheduler.Close()
}

type gocronScheduler struct {
	gocron.Scheduler
	ids []uuid.UUID
}

func newGocron(n int) Scheduler {
	s, err := gocron.NewScheduler()
	check(err)
	return &gocronScheduler{s, make([]uuid.UUID, n)}
}

// Add takes a time in the past as well: on a busy machine the first may have passed.
func (s *gocronScheduler) Add(i int, when Grid, fn func()) {
	j, err := s.NewJob(gocron.DurationJob(when.Every), gocron.NewTask(fn), gocron.WithStartAt(gocron.WithStartDateTimePast(when.First)))
	check(err)
	s.ids[i] = j.ID()
}

func (s *gocronScheduler) Remove(i int) { check(s.RemoveJob(s.ids[i])) }

func (s *gocronScheduler) Close() { check(s.Shutdown()) }

type robfig struct {
	*cron.Cron
	ids []cron.EntryID
}

func (r *robfig) Add(i int, when Grid, fn func()) { r.ids[i] = r.Schedule(when, cron.FuncJob(fn)) }

func (r *robfig) Remove(i int) { r.Cron.Remove(r.ids[i]) }

func (r *robfig) Close() { <-r.Stop().Done() }

type quartzScheduler struct{ quartz.Scheduler }

func newQuartz(int) Scheduler {
	s, err := quartz.NewStdScheduler()
	check(err)
	return quartzScheduler{s}
}

func (s quartzScheduler) Start() { s.Scheduler.Start(context.Background()) }

func (s quartzScheduler) Add(i int, when Grid, fn func()) {
	check(s.ScheduleJob(quartz.NewJobDetail(quartzJob(fn), quartz.NewJobKey(taskName(i))), when))
}

func (s quartzScheduler) Remove(i int) { check(s.DeleteJob(quartz.NewJobKey(taskName(i)))) }

func (s quartzScheduler) Close() {
	s.Stop()
	s.Wait(context.Background())
}

type quartzJob func()

func (j quartzJob) Execute(context.Context) error { j(); return nil }

func (quartzJob) Description() string { return "bench" }
