package against

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Module is the library's path.
const Module = "github.com/a622d8ee/dray"

// A Binary is a bench program with the flags that it is run with.
type Binary struct {
	Path string
	Args []string
}

// Works implements [Protocol].
func (b Binary) Works() (names []string, err error) {
	return names, b.run(&names, "-works")
}

// Measure implements [Protocol].
func (b Binary) Measure(work string) (m Measured, err error) {
	return m, b.run(&m, append([]string{"-work", work}, b.Args...)...)
}

func (b Binary) run(into any, args ...string) error {
	out, err := output(exec.Command(b.Path, args...)) //nolint:noctx // it ends by itself: see works.Watched
	if err != nil {
		return fmt.Errorf("%s %s: %w", b.Path, strings.Join(args, " "), err)
	}
	return json.Unmarshal(out, into)
}

// output returns what a command prints; the error has what it complained of.
func output(c *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}

// Build makes a bench program for the library in the checkout dir, in the directory
// tmp, and says how. sources is the directory of this program's own module. Its
// works, built with that library, are the fairest comparison, as both do the same. Where they
// do not compile, for want of API that the other library has not got, they are built without
// what needs that (tag "older"), or else the checkout's own program is, if it knows
// how to be asked.
func Build(dir, sources, tmp string) (b Binary, how string, err error) {
	b.Path = filepath.Join(tmp, "that")
	copied := filepath.Join(tmp, "bench")
	ours := copyWith(dir, sources, copied)
	if ours == nil {
		if ours = goBuild(copied, b.Path, alone...); ours == nil {
			return b, builtOurs, nil
		}
		if goBuild(copied, b.Path, append(alone, "GOFLAGS=-mod=mod -tags=older")...) == nil {
			return b, builtOurs + ", without what that has not got", nil
		}
	}
	theirs := goBuild(filepath.Join(dir, "bench"), b.Path)
	if theirs == nil {
		if _, theirs = b.Works(); theirs == nil {
			return b, "that checkout's own bench program, as this one does not compile with that library; " +
				"works of one name need not do the same in both:\n" + ours.Error(), nil
		}
	}
	return b, "", fmt.Errorf("no bench program for %s\nthis one with that library: %w\nthat one's own: %w", dir, ours, theirs)
}

// builtOurs is how the better of the two programs came to be.
const builtOurs = "this checkout's bench program, built with that library"

// alone is the environment for a module outside of the workspace.
var alone = []string{"GOWORK=off", "GOFLAGS=-mod=mod"}

// copyWith copies the sources and replaces the library by that of dir.
func copyWith(dir, sources, copied string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return err
	}
	if err := os.CopyFS(copied, os.DirFS(sources)); err != nil {
		return err
	}
	if err := mergeSums(filepath.Join(copied, "go.sum"), filepath.Join(dir, "go.sum"), filepath.Join(dir, "bench", "go.sum")); err != nil {
		return err
	}
	c := exec.Command("go", "mod", "edit", "-replace="+Module+"="+dir) //nolint:noctx // it edits a file
	c.Dir, c.Env = copied, append(os.Environ(), alone...)
	_, err = output(c)
	return err
}

// mergeSums adds the lines of other files to a go.sum: the library of another
// commit may require other versions of what its tests need.
func mergeSums(file string, others ...string) error {
	all, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, other := range others {
		b, err := os.ReadFile(other)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		all = append(all, b...)
	}
	return os.WriteFile(file, all, 0o600)
}

func goBuild(dir, out string, env ...string) error {
	c := exec.Command("go", "build", "-o", out, ".") //nolint:noctx // as long as it takes
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	_, err := output(c)
	return err
}

// Sources returns where this program's own module is, as the go command sees it from
// the working directory.
func Sources() (string, error) {
	c := exec.Command("go", "list", "-f", "{{.Dir}}", Module+"/bench") //nolint:noctx // it reads a file
	out, err := output(c)
	if err != nil {
		return "", fmt.Errorf("-against needs this program's sources: run it in the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
