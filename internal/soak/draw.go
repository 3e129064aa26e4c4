package main

import (
	"bytes"
	"fmt"
	"time"
)

// The drawing, in pixels.
const (
	width, height = 800, 150
	margin        = 50
)

// draw makes one diagram per quantity, one below the other.
func draw(samples []sample, length time.Duration) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		width+2*margin, 2*(height+2*margin))
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="white"/>`)
	diagram(&b, 0, fmt.Sprintf("heap in use after collection, MiB, over %v", length), samples, func(s sample) float64 { return s.heap })
	diagram(&b, height+2*margin, "goroutines", samples, func(s sample) float64 { return s.goroutines })
	fmt.Fprintln(&b, "</svg>")
	return b.Bytes()
}

func diagram(b *bytes.Buffer, top int, title string, samples []sample, of func(sample) float64) {
	most := 1.0
	for _, s := range samples {
		most = max(most, of(s))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", margin, top+margin-15, title)
	fmt.Fprintf(b, `<text x="5" y="%d">%.1f</text><text x="5" y="%d">0</text>`+"\n", top+margin+5, most, top+margin+height)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#bbb"/>`+"\n", margin, top+margin, width, height)
	fmt.Fprint(b, `<polyline fill="none" stroke="#06c" stroke-width="1.5" points="`)
	for i, s := range samples {
		x := margin + float64(i*width)/float64(max(len(samples)-1, 1))
		y := float64(top+margin+height) - of(s)/most*height
		fmt.Fprintf(b, "%.1f,%.1f ", x, y)
	}
	fmt.Fprintln(b, `"/>`)
}
