package report

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine describes what the program runs on.
func Machine(procs int) string {
	return fmt.Sprintf("%s, %s/%s, %s, %d processors, GOMAXPROCS %d",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, processor(), runtime.NumCPU(), procs)
}

// processor returns the processor's name where the system tells it in a file.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	return modelName(string(b))
}

func modelName(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
