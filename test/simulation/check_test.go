package simulation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// check looks at everything that must hold whenever the service is at rest.
func (s *service) check() {
	st := kit.Balanced(s.t, s.q)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(s.t, s.bad)
	require.GreaterOrEqual(s.t, min(st.Pending, st.Delayed, st.Retrying, st.Running, st.Stuck, st.Idle), 0, "%+v", st)
	require.LessOrEqual(s.t, st.Stuck, st.Running, "%+v", st)
	require.Equal(s.t, s.running, st.Running, "jobs in their functions")
	require.LessOrEqual(s.t, s.mostRan, s.most, "no more run than there are workers and are lent")
	if s.watched {
		s.checkAgainstEvents(st)
	}
	s.checkJobs(st)
	if !s.over {
		s.checkAtWork(st)
	}
}

// checkAgainstEvents: what was told is what the books say. Of jobs that return after the
// end nothing is told.
func (s *service) checkAgainstEvents(st dray.Stats) {
	untold := 0
	for _, j := range s.report.Abandoned {
		if s.finals[j.ID] == 0 {
			untold++
		}
	}
	if s.over {
		untold -= st.Running
	}
	require.Equal(s.t, s.accepted+s.fired, st.Enqueued, "accepted by calls and by the scheduler")
	require.Len(s.t, s.finals, int(settled(st))-untold, "final events")
	require.Equal(s.t, s.starts, s.runs, "each start runs the function once")
}

// checkJobs: the list is that of the books.
func (s *service) checkJobs(st dray.Stats) {
	got, ids := map[dray.State]int{}, map[dray.ID]bool{}
	for j := range s.q.Jobs() {
		require.False(s.t, ids[j.ID], "listed twice: %d", j.ID)
		require.Zero(s.t, s.finals[j.ID], "settled and listed: %d", j.ID)
		ids[j.ID] = true
		got[j.State]++
	}
	want := map[dray.State]int{
		dray.Pending: st.Pending, dray.Delayed: st.Delayed, dray.Retrying: st.Retrying,
		dray.Running: st.Running - st.Stuck, dray.Stuck: st.Stuck,
	}
	for state, n := range want {
		require.Equal(s.t, n, got[state], "%v", state)
	}
}

// checkAtWork: no worker idles while a job waits that may start, nothing that is due
// has been overlooked, and the tree is up.
func (s *service) checkAtWork(st dray.Stats) {
	if s.failed {
		return
	}
	for _, c := range s.q.Children() {
		require.Equal(s.t, dray.ChildRunning, c.State, c.Name)
	}
	free := st.Running < st.Workers && !st.Paused
	for j := range s.q.Jobs() {
		if j.State == dray.Pending && j.Key == "" && j.Kind == "" {
			require.False(s.t, free, "a worker idles, though job %d waits", j.ID)
		}
	}
	s.checkDue()
	for _, task := range s.q.Scheduler().Tasks() {
		require.False(s.t, !task.Next.IsZero() && !task.Next.After(time.Now()), "task %s is overdue", task.Name)
	}
}

// checkDue: no job waits for a time that has passed.
func (s *service) checkDue() {
	for j := range s.q.Jobs() {
		require.False(s.t, !j.RunAt.IsZero() && !j.RunAt.After(time.Now()), "job %d is overdue", j.ID)
	}
}

// checkEnd: every accepted job is settled or handed back, none both, and what was
// handed back has not run to its end here.
func (s *service) checkEnd() {
	s.busy.Wait()
	time.Sleep(time.Hour) // for the stubborn ones
	synctest.Wait()
	s.check()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.q.Stats()
	left := slices.Concat(s.report.Waiting, s.report.Interrupted)
	require.Equal(s.t, st.Enqueued, settled(st)+uint64(len(left)), "%+v", st)
	seen := map[dray.ID]bool{}
	for _, l := range left {
		require.False(s.t, seen[l.ID], "handed back twice: %d", l.ID)
		require.Zero(s.t, s.finals[l.ID], "handed back and settled: %d", l.ID)
		require.NotNil(s.t, l.Func)
		seen[l.ID] = true
	}
	require.Zero(s.t, s.running)
	if !s.watched {
		require.GreaterOrEqual(s.t, st.Enqueued, s.accepted)
	}
}

// checkRestore: another queue takes what was left, with the attempts and the errors
// that it has behind it, and brings all of it to its end.
func (s *service) checkRestore() {
	q, err := dray.New()
	require.NoError(s.t, err)
	require.NoError(s.t, q.Restore(s.report))
	history := func(j dray.JobInfo) string { return fmt.Sprint(j.Label, j.Kind, j.Key, j.Attempt, j.LastError) }
	var want, got []string
	for _, l := range slices.Concat(s.report.Interrupted, s.report.Waiting) {
		want = append(want, history(l.JobInfo))
	}
	for j := range q.Jobs() {
		got = append(got, history(j))
	}
	require.ElementsMatch(s.t, want, got, "what was restored")
	require.NoError(s.t, q.Start())
	time.Sleep(24 * time.Hour)
	synctest.Wait()
	require.Equal(s.t, uint64(len(want)), settled(q.Stats()), "%+v", q.Stats())
	require.NoError(s.t, q.Close())
}

// note adds the step to the trace, with the state after it.
func (s *service) note() {
	st := s.q.Stats()
	st.Wait, st.Run = dray.Latency{}, dray.Latency{} // measured in batches by whoever has worked
	var jobs []string
	for j := range s.q.Jobs() {
		jobs = append(jobs, fmt.Sprintf("%d %v %d", j.ID, j.State, j.Attempt))
	}
	if s.over {
		slices.Sort(jobs) // those that a shutdown interrupts end at one moment
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.now) // within one step the runtime decides who is heard first
	s.trace = append(s.trace, fmt.Sprintf("%s | %v | %s | %+v | %s",
		time.Now().Format("15:04:05.000000000"), s.lastStep, strings.Join(jobs, ", "), st, strings.Join(s.now, ", ")))
	s.now = nil
}
