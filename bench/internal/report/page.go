package report

import (
	"fmt"
	"strings"
)

// Splice returns the page with what is between its marks of that name replaced:
// there the page is written by the program.
func Splice(page, name, text string) (string, error) {
	begin, end := "<!-- "+name+":begin -->", "<!-- "+name+":end -->"
	head, tail, found := strings.Cut(page, begin)
	if !found {
		return "", fmt.Errorf("no %s", begin)
	}
	_, tail, found = strings.Cut(tail, end)
	if !found {
		return "", fmt.Errorf("no %s after %s", end, begin)
	}
	return head + begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + end + tail, nil
}
