package protocol

// Configs are what is explored. Each looks at one part of the protocol, with as few
// jobs as show it.
var Configs = []Config{
	{Name: "hand-over", Workers: 2, Lends: true, Producers: []string{"pp", "p"}},
	{Name: "stream", Workers: 2, Producers: []string{"pp", "pp"}},
	{Name: "rules", Workers: 2, Producers: []string{"pk", "p"}},
	{Name: "sync", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{EnqueueSync, 0}, {Stats, 0}}}},
	{Name: "failures", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Stats, 0}}}, Failures: true},
	{Name: "cancel", Workers: 2, Producers: []string{"ppp"}, Callers: [][]Call{{{Cancel, 1}, {Stats, 0}}}},
	{Name: "pause", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Pause, 0}, {Resume, 0}}}},
	{Name: "resize", Workers: 2, Producers: []string{"ppp"}, Callers: [][]Call{{{Resize, 1}, {Resize, 2}}}},
	{Name: "drain", Workers: 2, Producers: []string{"p", "p"}, Callers: [][]Call{{{Close, 0}, {Drain, 0}, {Stop, 0}, {Stats, 0}}}},
	{Name: "stop", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Stop, 0}, {Start, 0}}, {{Stats, 0}}}},
	{Name: "stop in a lease", Workers: 1, Producers: []string{"pp"}, Callers: [][]Call{{{Stop, 0}, {Stats, 0}, {Start, 0}}}},
	{Name: "crash", Workers: 1, Producers: []string{"pp"}, Callers: [][]Call{{{Cancel, 1}, {Stats, 0}}}, Crashes: 2},
	{Name: "panics", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Stats, 0}}}, Panics: 1},
	{
		Name: "before Start", Workers: 1, Unstarted: true, Crashes: 2, Producers: []string{"p"},
		Callers: [][]Call{{{EnqueueSync, 0}, {Stats, 0}}, {{Stats, 0}, {Start, 0}}},
	},
	{Name: "block", Workers: 1, Capacity: 1, Producers: []string{"pp", "pp"}},
	{Name: "block in a lease", Workers: 1, Capacity: 2, Producers: []string{"ppp", "pp"}},
	{Name: "block and cancel", Workers: 1, Capacity: 1, Producers: []string{"ppp", "p"}, Callers: [][]Call{{{Cancel, 1}}}},
	{Name: "block and crash", Workers: 1, Capacity: 1, Producers: []string{"pp", "p"}, Callers: [][]Call{{{Stats, 0}}}, Crashes: 1},
	{Name: "block and close", Workers: 1, Capacity: 1, Producers: []string{"pp", "p"}, Callers: [][]Call{{{Close, 0}}}},
	{Name: "delayed", Workers: 1, Producers: []string{"dp", "d"}},
	{Name: "timeouts and delays", Workers: 2, Timeouts: true, Producers: []string{"pd", "p"}},
	{Name: "timeouts", Workers: 1, Timeouts: true, Producers: []string{"ppp"}},
	{Name: "chunks", Workers: 2, ChunkLen: 2, Producers: []string{"ppppp"}},

	{Name: "three workers", Large: true, Workers: 3, Producers: []string{"ppp", "pk"}},
	{Name: "long chunks", Large: true, Workers: 2, ChunkLen: 2, Failures: true, Producers: []string{"ppk", "pp"}},
	{Name: "block large", Large: true, Workers: 2, Capacity: 1, Producers: []string{"ppp", "pp"}},
	{Name: "resize large", Large: true, Workers: 2, Producers: []string{"pppp"}, Callers: [][]Call{{{Resize, 1}, {Resize, 3}}}},
	{
		Name: "crash large", Large: true, Workers: 2, Producers: []string{"pp"}, Crashes: 2, Panics: 1,
		Callers: [][]Call{{{Cancel, 1}, {EnqueueSync, 0}}},
	},
	{
		Name: "stop large", Large: true, Workers: 2, Producers: []string{"pp"}, Crashes: 1,
		Callers: [][]Call{{{Stop, 0}, {Start, 0}}, {{EnqueueSync, 0}}},
	},
	{
		Name: "mixture", Large: true, Workers: 2, ChunkLen: 2, Timeouts: true, Failures: true, Crashes: 1, Panics: 1,
		Producers: []string{"pd", "k"},
	},
}
