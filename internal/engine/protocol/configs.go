package protocol

// Configs are what is explored. Each looks at one part of the protocol, with as few
// jobs as show it.
var Configs = []Config{
	{Name: "hand-over", Workers: 2, Producers: []string{"pp", "p"}},
	{Name: "rules", Workers: 2, Producers: []string{"ph", "p"}},
	{Name: "keys", Workers: 2, Words: true, Producers: []string{"kkp", "k"}},
	{Name: "sync", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{EnqueueSync, 0}}}},
	{Name: "stats", Workers: 1, Producers: []string{"pp"}, Callers: [][]Call{{{Stats, 0}}}},
	{Name: "failures", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Stats, 0}}}, Failures: true},
	{Name: "cancel", Workers: 2, Words: true, Producers: []string{"pp"}, Callers: [][]Call{{{Cancel, 1}, {Stats, 0}}}},
	{
		Name: "cancel in a lease", Workers: 1, Words: true, Long: true, ChunkLen: 2,
		Producers: []string{"ppp"}, Callers: [][]Call{{{Cancel, 1}}},
	},
	{Name: "pause", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Pause, 0}, {Resume, 0}}}},
	{Name: "resize", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Resize, 1}, {Resize, 2}}}},
	{Name: "stop", Workers: 2, Producers: []string{"pp"}, Callers: [][]Call{{{Stop, 0}, {Start, 0}}, {{Stats, 0}}}},
	{
		Name: "short runs", Workers: 1, Unstarted: true,
		Callers: [][]Call{{{Start, 0}, {Stop, 0}, {Start, 0}, {Stop, 0}, {Start, 0}}, {{Stats, 0}}},
	},
	{Name: "close and stop", Workers: 1, Producers: []string{"pp"}, Callers: [][]Call{{{Close, 0}, {Stop, 0}, {Stats, 0}}}},
	{Name: "crash", Workers: 1, Crashes: 1, Producers: []string{"pp"}, Callers: [][]Call{{{Stats, 0}}}},
	{Name: "before Start", Workers: 1, Unstarted: true, Crashes: 1, Callers: [][]Call{{{EnqueueSync, 0}}, {{Stats, 0}, {Start, 0}}}},
	{Name: "block", Workers: 1, Words: true, Capacity: 1, Producers: []string{"pp", "pp"}},
	{Name: "block in a lease", Workers: 1, Words: true, Capacity: 2, Producers: []string{"pppp"}},
	{Name: "block and cancel", Workers: 1, Words: true, Capacity: 1, Producers: []string{"pp", "p"}, Callers: [][]Call{{{Cancel, 1}}}},
	{Name: "block and crash", Workers: 1, Words: true, Capacity: 1, Crashes: 1, Producers: []string{"pp", "p"}},
	{Name: "delayed", Workers: 1, Producers: []string{"dp", "d"}},
	{Name: "delayed behind others", Workers: 1, Producers: []string{"ppd"}},
	{Name: "panics", Workers: 1, Panics: 1, Producers: []string{"pp"}},
	{Name: "chunks", Workers: 2, ChunkLen: 1, Producers: []string{"ppp"}},
	{Name: "long jobs", Workers: 2, ChunkLen: 1, Long: true, Producers: []string{"ppp"}},

	{Name: "stream", Large: true, Workers: 2, Producers: []string{"pp", "pp"}},
	{Name: "three workers", Large: true, Workers: 3, Producers: []string{"pp", "ph"}},
	{Name: "more chunks", Large: true, Workers: 2, ChunkLen: 2, Long: true, Producers: []string{"ppppp"}},
	{Name: "more keys", Large: true, Workers: 2, Words: true, Failures: true, Producers: []string{"kk", "kp"}},
	{Name: "resize up", Large: true, Workers: 2, Producers: []string{"ppp"}, Callers: [][]Call{{{Resize, 1}, {Resize, 3}}}},
	{
		Name: "two crashes", Large: true, Workers: 1, Crashes: 2,
		Producers: []string{"pp"}, Callers: [][]Call{{{EnqueueSync, 0}, {Stats, 0}}},
	},
	{
		Name: "two crashes before Start", Large: true, Workers: 1, Unstarted: true, Crashes: 2, Producers: []string{"p"},
		Callers: [][]Call{{{EnqueueSync, 0}, {Stats, 0}}, {{Stats, 0}, {Start, 0}}},
	},
	{Name: "block large", Large: true, Workers: 2, Words: true, Capacity: 1, Producers: []string{"pp", "pp"}},
	{
		Name: "cancel large", Large: true, Workers: 2, Words: true, Long: true, ChunkLen: 2, Producers: []string{"pppp"},
		Callers: [][]Call{{{Cancel, 1}, {Cancel, 2}}},
	},
}
