package main

import (
	"io/fs"
	"strings"
)

// sources is a tree without git's and other hidden directories.
type sources struct{ fs.FS }

// ReadDir leaves out what begins with a dot.
func (s sources) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	var kept []fs.DirEntry
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			kept = append(kept, e)
		}
	}
	return kept, err
}
