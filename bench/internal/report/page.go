package report

import (
	"fmt"
	"strings"
)

// The marks between which a page is written by the program.
const (
	begin = "<!-- bench:begin -->"
	end   = "<!-- bench:end -->"
)

// Splice returns the page with what is between its marks replaced.
func Splice(page, text string) (string, error) {
	head, rest, found := strings.Cut(page, begin)
	if !found {
		return "", fmt.Errorf("no %s", begin)
	}
	_, tail, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("no %s after %s", end, begin)
	}
	return head + begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + end + tail, nil
}
