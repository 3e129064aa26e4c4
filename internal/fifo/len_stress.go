//go:build stress

package fifo

// chunkLen has tests come to the end of a chunk all the time: see package yield.
const chunkLen = 12
