//go:build !stress

package fifo

// chunkLen makes a chunk fill the 4096-byte size class: 216 bytes of header, 8
// of the allocator's, 8 per slot.
const chunkLen = 484
