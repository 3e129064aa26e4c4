package jobctx

import (
	"context"
	"testing"
)

var sink context.Context

// What a job pays for its context: in a stretch of tiny jobs, begun one by one, and if
// it looks at it.
func BenchmarkContext(b *testing.B) {
	b.Run("stretch", func(b *testing.B) {
		o := newOwner()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			o.book.Begin(base, uint64(i))
			sink = o.book.Current()
		}
	})
	b.Run("one by one", func(b *testing.B) {
		o := newOwner()
		b.ReportAllocs()
		for b.Loop() {
			o.book.Begin(base, 1)
			sink = o.book.Current()
			o.book.End(1)
		}
	})
	b.Run("used", func(b *testing.B) {
		o := newOwner()
		b.ReportAllocs()
		for b.Loop() {
			o.book.Begin(base, 1)
			_ = o.book.Current().Err()
			o.book.End(1)
		}
	})
}
