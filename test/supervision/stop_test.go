package supervision_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// hanging is a stop that takes that long.
func hanging(d time.Duration) func(*actor) {
	return func(a *actor) { a.stop = func() error { time.Sleep(d); return nil } }
}

// sup_stop_timeout
func TestSupervisorShutdownTimes(t *testing.T) {
	perform(t, dray.OneForOne, "", func(t *testing.T, s *stage) {
		for _, c := range []struct {
			name             string
			shutdown, stopIn time.Duration
			takes            time.Duration
			want             error
		}{
			{"default, just in time", 0, 5*time.Second - 1, 5*time.Second - 1, nil},
			{"default, too late", 0, 5*time.Second + 1, 5 * time.Second, dray.ErrAbandoned},
			{"long, just in time", 8 * time.Second, 8*time.Second - 1, 8*time.Second - 1, nil},
			{"long, too late", 8 * time.Second, 8*time.Second + 1, 8 * time.Second, dray.ErrAbandoned},
			{"for ever", -1, 1000 * time.Hour, 1000 * time.Hour, nil},
		} {
			child := s.child(c.name)
			child.Shutdown = c.shutdown
			require.NoError(t, s.sup.Add(child))
			s.direct(c.name, hanging(c.stopIn))
			began := time.Now()
			require.ErrorIs(t, s.sup.Terminate(c.name), c.want, c.name)
			require.Equal(t, c.takes, time.Since(began), c.name)
		}
		require.NoError(t, s.close(), "the abandoned children have ended meanwhile")
	})
}

func TestSupervisorAbandonsWhileStopping(t *testing.T) {
	perform(t, dray.OneForOne, "a b c", func(t *testing.T, s *stage) {
		s.direct("b", hanging(time.Hour))
		began := time.Now()
		err := s.close()
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, err, dray.ErrAbandoned)
		require.ErrorContains(t, err, `"b"`)
		s.requireRecord("stop c, stop b, stop a")
		require.Equal(t, "a down, b stuck, c down", s.cast())
		time.Sleep(2 * time.Hour)
		require.Equal(t, "a down, b stuck, c down", s.cast(), "its late return touches nothing")
	}, dray.WithShutdownTimeout(time.Second))
}

// The result of an abandoned incarnation does not count for its successor.
func TestSupervisorLateReturn(t *testing.T) {
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
				s.direct("a", func(a *actor) { a.stop = func() error { time.Sleep(time.Minute); return end() } })
				require.NoError(t, s.sup.Restart("a"))
				s.requireRecord("stop a, start a")
				before := s.sup.Children()
				time.Sleep(time.Hour)
				require.Equal(t, before, s.sup.Children())
				require.NoError(t, s.info("a").LastError)
				s.requireRunning()
				s.direct("a", func(a *actor) { a.stop = nil })
			}, dray.WithIntensity(0, time.Hour))
		})
	}
}

// The same after the end of Serve, with a new Serve running.
func TestSupervisorLateReturnAfterServe(t *testing.T) {
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		s.direct("a", hanging(time.Hour))
		require.ErrorIs(t, s.close(), dray.ErrAbandoned)
		s.direct("a", func(a *actor) { a.stop = nil })
		s.start()
		time.Sleep(2 * time.Hour)
		require.Equal(t, "a running", s.cast())
		require.NoError(t, s.close(), "the new Serve knows nothing of the old one's children")
	})
}

// A group restart goes on without a child that does not stop.
func TestSupervisorAbandonsInGroup(t *testing.T) {
	perform(t, dray.OneForAll, "a b c", func(t *testing.T, s *stage) {
		s.direct("c", hanging(time.Hour))
		s.kill("a", "")
		s.requireRecord("die a, stop c")
		require.Equal(t, "a restarting, b running, c stopping", s.cast())
		time.Sleep(5 * time.Second)
		s.requireRecord("stop b, start a, start b, start c")
		require.Equal(t, "a running, b running, c running", s.cast())
		time.Sleep(2 * time.Hour)
		require.Equal(t, "a running, b running, c running", s.cast())
		s.direct("c", func(a *actor) { a.stop = nil })
	})
}

// A child dies while the supervisor stops: the order is kept, nothing restarts.
func TestSupervisorChildDiesDuringStop(t *testing.T) {
	for how := range ends {
		t.Run(how, func(t *testing.T) {
			perform(t, dray.OneForAll, "a b c", func(t *testing.T, s *stage) {
				s.direct("c", hanging(time.Second))
				s.cancel()
				synctest.Wait()
				s.kill("a", how)
				require.Equal(t, "a down, b running, c stopping", s.cast())
				time.Sleep(time.Second)
				s.requireRecord("stop c, die a, stop b")
				require.NoError(t, s.requireEnded())
				require.Zero(t, restarts(s.sup))
				requireEnd(t, how, s.info("a").LastError)
			})
		})
	}
}

// Whatever a child returns once it was told to stop, it has stopped.
func TestSupervisorOrderlyStop(t *testing.T) {
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
				s.direct("a", func(a *actor) { a.stop = end })
				require.NoError(t, s.sup.Terminate("a"))
				s.requireState("a", dray.ChildDown)
				requireEnd(t, how, s.info("a").LastError)
				s.requireRunning()
			}, dray.WithIntensity(0, time.Hour))
		})
	}
}

func TestSupervisorStopErrorOfContextIsNone(t *testing.T) {
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) { // which returns ctx.Err()
		require.NoError(t, s.sup.Terminate("a"))
		require.NoError(t, s.info("a").LastError)
	})
}

// sup_stop_race: stop at every moment of a child's life.
func TestSupervisorStopAtAnyTime(t *testing.T) {
	for after := range 40 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, dray.RestForOne, "a b c", dray.WithIntensity(1000, time.Second),
				dray.WithRestartBackoff(func(int) time.Duration { return 3 * time.Millisecond }))
			for name, a := range s.actors {
				s.direct(name, func(*actor) {
					a.init = func(ctx context.Context) error { sleep(ctx, 2*time.Millisecond); return nil }
				})
			}
			s.start()
			go func() {
				for _, name := range []string{"b", "a", "c", "b"} {
					sleepOr(s.over, 5*time.Millisecond)
					select {
					case s.actors[name].cues <- ends["panic"]:
					case <-s.over:
					}
				}
			}()
			time.Sleep(time.Duration(after) * time.Millisecond)
			began := time.Now()
			require.NoError(t, s.close())
			require.Zero(t, time.Since(began), "nothing here takes time to stop")
			require.Equal(t, "a down, b down, c down", s.cast())
		})
	}
}

func sleep(ctx context.Context, d time.Duration) { sleepOr(ctx.Done(), d) }

func sleepOr(done <-chan struct{}, d time.Duration) {
	select {
	case <-time.After(d):
	case <-done:
	}
}

func TestSupervisorContextEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.OneForOne, "a b")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, s.sup.Serve(ctx))
		s.requireRecord("")
		require.NoError(t, s.sup.Add(s.child("c")))
	})
}

func TestSupervisorServeTwice(t *testing.T) {
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		require.ErrorIs(t, s.sup.Serve(t.Context()), dray.ErrStarted)
		s.requireRunning()
	})
}

// Serve after Serve starts afresh: terminated children too, and temporary ones that
// were there from the beginning.
func TestSupervisorServeAgain(t *testing.T) {
	perform(t, dray.OneForOne, "a b/T c/t d", func(t *testing.T, s *stage) {
		require.NoError(t, s.sup.Terminate("a"))
		s.kill("c", "nil")
		s.kill("d", "")
		s.kill("d", "")
		require.ErrorIs(t, s.requireEnded(), dray.ErrIntensity)
		require.ErrorIs(t, s.sup.Restart("a"), dray.ErrClosed)
		require.NoError(t, s.sup.Terminate("a"))
		require.ErrorIs(t, s.sup.Terminate("x"), dray.ErrNotFound)
		require.NoError(t, s.sup.Add(s.child("e")))
		s.takeRecord()
		s.start()
		s.requireRecord("start a, start b, start c, start d, start e")
		require.EqualValues(t, 0, s.info("d").Restarts)
		s.kill("d", "")
		s.requireRunning()
		require.EqualValues(t, 1, restarts(s.sup), "of this Serve")
	}, dray.WithIntensity(1, time.Hour))
}

// Values of Serve's context reach the children, its end does not: they stop in order.
func TestSupervisorContextOfChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Second)
		defer cancel()
		s, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "a", Service: dray.ServiceFunc(func(ctx context.Context) error {
			require.Equal(t, "value", ctx.Value(key{}))
			_, limited := ctx.Deadline()
			require.False(t, limited)
			<-ctx.Done()
			require.Equal(t, dray.ErrShutdown, context.Cause(ctx))
			return nil
		})}))
		require.NoError(t, err)
		require.NoError(t, s.Serve(ctx))
	})
}

// What a child leaves behind is told when the child has ended, and why.
func TestSupervisorEndsContextOfDeadChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := make(chan error, 1)
		s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(0, 1), dray.WithChildren(dray.Child{Name: "a", Service: dray.ServiceFunc(func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { cause <- context.Cause(ctx) })
			return errBoom
		})}))
		require.NoError(t, err)
		require.ErrorIs(t, s.Serve(t.Context()), errBoom)
		require.Equal(t, errBoom, <-cause)
	})
}
