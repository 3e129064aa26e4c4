package dray

import "context"

// treeConfig is that of the queue's own supervision tree, in the order of its start. Each
// child depends on those before it: when one crashes, it and those after it are
// restarted (rest-for-one). The state they work on is in the engine and outlives them.
func (q *Queue) treeConfig() supervisorConfig {
	cfg := newSupervisorConfig(RestForOne)
	cfg.name, cfg.clock = q.name, q.clock
	cfg.bus, cfg.queue = q.bus, q.name
	cfg.children = []Child{
		{Name: "owner", Service: owner{q.engine}},
		{Name: "pool", Service: crew{q.engine}},
		{Name: "scheduler", Service: schedulerLoop{q.scheduler}},
	}
	return cfg
}

// Children returns the queue's own supervision tree: owner, pool and scheduler.
func (q *Queue) Children() []ChildInfo { return q.tree.Children() }

// A crew is the pool as a child of the queue: while it is served, workers may
// claim jobs. Its workers are one-for-one: one that dies is replaced at once, by
// itself (see worker.depart). When the crew is stopped because the owner crashed,
// workers that are in the middle of a job finish it, and its successor takes
// them over.
type crew struct{ *engine }

// Serve lets the workers work until ctx ends.
func (c crew) Serve(ctx context.Context) error {
	c.open()
	defer c.close()
	<-ctx.Done()
	return nil
}
