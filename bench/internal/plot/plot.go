// Package plot draws line charts as SVG.
package plot

// A Chart has lines over categories on the x axis, the y axis logarithmic.
type Chart struct {
	Title, XLabel, YLabel string
	X                     []string
	Lines                 []Line
}

// A Line has one value for each of the chart's categories; NaN leaves a gap.
type Line struct {
	Name string
	Y    []float64
}
