// Package plot draws line charts as SVG, to be read on light and dark pages.
package plot

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// A Chart has lines over categories on the x axis; the y axis is logarithmic.
type Chart struct {
	Title, XLabel, YLabel string
	X                     []string
	Series                []Series
}

// A Series has one value for each of the chart's categories. One that is not a
// number above zero leaves a gap.
type Series struct {
	Name string
	Bold bool // the line that the chart is about
	Y    []float64
}

// The picture's measures, in its own units: that of a pixel at full size.
const (
	width, height  = 900.0, 460.0
	axisX0, axisX1 = 80.0, 700.0 // of the axes; the legend is right of them
	top, bottom    = 50.0, 390.0
)

// style has the colours of what is not a line; those of the lines have contrast
// enough on white and on black.
const style = `text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:16px;font-weight:600}` +
	`.grid{stroke:#d0d7de;stroke-width:1}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.bold{stroke-width:4}` +
	`@media(prefers-color-scheme:dark){text{fill:#d0d7de}.grid{stroke:#30363d}}`

var colours = []string{
	"#8b949e", "#e5484d", "#f08c00", "#2f81f7", "#2ea043", "#a371f7", "#00a5b5", "#db61a2", "#b08800", "#7d8590",
}

// SVG returns the chart as a picture.
func (c Chart) SVG() string {
	d := drawing{axis: axisOf(c.Series), columns: len(c.X)}
	d.element(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`,
		width, height, escape(c.Title))
	d.element(`<style>%s</style>`, escape(style))
	d.text(axisX0, 26, "start", "title", c.Title)
	d.grid()
	for i, name := range c.X {
		d.text(d.x(i), bottom+20, "middle", "", name)
	}
	d.text((axisX0+axisX1)/2, bottom+46, "middle", "", c.XLabel)
	d.element(`<text transform="translate(20 %.0f) rotate(-90)" text-anchor="middle">%s</text>`, (top+bottom)/2, escape(c.YLabel))
	for i, s := range c.Series {
		d.series(i, s)
	}
	d.element(`</svg>`)
	return d.svg.String()
}

// A drawing is an SVG that grows.
type drawing struct {
	svg     strings.Builder
	axis    axis
	columns int
}

func (d *drawing) element(format string, args ...any) { fmt.Fprintf(&d.svg, format+"\n", args...) }

func (d *drawing) text(x, y float64, anchor, class, s string) {
	d.element(`<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, escape(s))
}

func (d *drawing) x(column int) float64 {
	return axisX0 + (axisX1-axisX0)*(float64(column)+0.5)/float64(max(d.columns, 1))
}

func (d *drawing) y(v float64) float64 { return bottom - (bottom-top)*d.axis.share(v) }

// grid draws a line for each tick.
func (d *drawing) grid() {
	for _, v := range d.axis.ticks() {
		y := d.y(v)
		d.element(`<line class="grid" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/>`, axisX0, axisX1, y, y)
		d.text(axisX0-8, y+4, "end", "", fmt.Sprintf("%g", v))
	}
}

// series draws the i-th line and its entry in the legend.
func (d *drawing) series(i int, l Series) {
	colour, class := colours[i%len(colours)], "line"
	if l.Bold {
		class = "line bold"
	}
	d.element(`<path class="%s" stroke="%s" d="%s"/>`, class, colour, d.path(l.Y))
	for column, v := range l.Y {
		if drawable(v) {
			d.element(`<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, d.x(column), d.y(v), colour)
		}
	}
	y := top + 22*float64(i)
	d.element(`<line class="%s" stroke="%s" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/>`, class, colour, axisX1+16, axisX1+40, y, y)
	d.text(axisX1+48, y+4, "start", "", l.Name)
}

// path returns the way along the values; after a gap it begins anew.
func (d *drawing) path(ys []float64) string {
	var moves []string
	pen := "M"
	for column, v := range ys {
		if !drawable(v) {
			pen = "M"
			continue
		}
		moves = append(moves, fmt.Sprintf("%s%.1f %.1f", pen, d.x(column), d.y(v)))
		pen = "L"
	}
	return strings.Join(moves, " ")
}

// An axis goes from one power of ten, or twice or five times that, to another.
type axis struct{ low, high float64 }

// axisOf returns the axis that all lines have room on.
func axisOf(lines []Series) axis {
	low, high := math.Inf(1), 0.0
	for _, l := range lines {
		for _, v := range l.Y {
			if drawable(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if high == 0 {
		return axis{1, 10}
	}
	a := axis{low: math.Pow(10, math.Floor(math.Log10(low))), high: math.Pow(10, math.Ceil(math.Log10(high)))}
	if a.low == a.high {
		a.high *= 10
	}
	for _, v := range a.ticks() {
		if v <= low {
			a.low = v
		}
	}
	for _, v := range a.ticks() {
		if v >= high {
			a.high = v
			break
		}
	}
	if a.low == a.high {
		a.high *= 2
	}
	return a
}

// share returns how far up the axis v is, 0 to 1.
func (a axis) share(v float64) float64 { return math.Log(v/a.low) / math.Log(a.high/a.low) }

// ticks returns 1, 2 and 5 times the powers of ten on the axis. The allowance is
// for powers that are not exact.
func (a axis) ticks() (ticks []float64) {
	for power := math.Floor(math.Log10(a.low)) - 1; power <= math.Ceil(math.Log10(a.high)); power++ {
		for _, digit := range []float64{1, 2, 5} {
			v := digit * math.Pow(10, power)
			if v > a.low*0.999 && v < a.high*1.001 {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

func drawable(v float64) bool { return v > 0 && !math.IsInf(v, 0) } // false for NaN too

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a Builder takes everything
	}
	return b.String()
}
