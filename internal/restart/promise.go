package restart

import "github.com/a622d8ee/dray/internal/errs"

// A child that is stopped is told whether it will be started again, and may go by that: a queue
// goes on accepting jobs. So it is told, too, if that does not come about.

// dropped tells of a child that is down for good though it was told that it will be started
// again: the plan was given up, or a call has stopped it meanwhile. It keeps what it
// was told if the supervisor itself ends to be started again, as the next Begin starts it.
func (s *State) dropped(c *Child) {
	if c.promised && s.cause != errs.ErrRestart { //nolint:errorlint // what End was given
		s.drop(c)
	}
}

func (s *State) drop(c *Child) {
	c.promised = false
	s.shell.Emit(Event{Kind: Dropped, Child: c})
}

// Drop tells of all children that wait for the next Begin of a supervisor that is not served:
// there will be none.
func (s *State) Drop() {
	for _, c := range s.Children {
		if c.promised && !s.serving {
			s.drop(c)
		}
	}
}
