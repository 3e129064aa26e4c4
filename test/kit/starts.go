package kit

import "github.com/a622d8ee/dray"

// Starts records the order in which jobs were given to workers. In which order these then
// run their first statements is no business of a test.
type Starts struct{ Record[dray.ID] }

// Option has a queue fill the record.
func (s *Starts) Option() dray.Option {
	return dray.WithObserver(func(ev dray.Event) { s.Add(ev.Job.ID) }, dray.JobStarted)
}
