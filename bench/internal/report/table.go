// Package report turns results into Markdown.
package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Table is one table of results.
type Table struct {
	Title  string
	Note   string // what the numbers are; a paragraph above the table
	Header []string
	Rows   [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Markdown returns the table with its title. The columns are aligned, so that it
// can be read on a terminal as well.
func (t *Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", t.Note)
	}
	widths := t.widths()
	writeRow(&b, t.Header, widths)
	b.WriteString("|")
	for i, w := range widths {
		b.WriteString(rule(i, w))
	}
	b.WriteString("\n")
	for _, r := range t.Rows {
		writeRow(&b, r, widths)
	}
	return b.String()
}

// rule is the line below the header: names to the left, numbers to the right.
func rule(column, width int) string {
	if column == 0 {
		return strings.Repeat("-", width+2) + "|"
	}
	return strings.Repeat("-", width+1) + ":|"
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.Header))
	for _, r := range append([][]string{t.Header}, t.Rows...) {
		for i, cell := range r[:min(len(r), len(widths))] {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// writeRow writes a row; one that is short is filled up.
func writeRow(b *strings.Builder, cells []string, widths []int) {
	b.WriteString("|")
	for i, w := range widths {
		cell := ""
		if i < len(cells) {
			cell = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		pad := strings.Repeat(" ", max(w-utf8.RuneCountInString(cell), 0))
		if i == 0 {
			fmt.Fprintf(b, " %s%s |", cell, pad)
		} else {
			fmt.Fprintf(b, " %s%s |", pad, cell)
		}
	}
	b.WriteString("\n")
}
