package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/mail"
	"os"
	"strings"
)

//go:embed jobs.jsonl
var builtinJobs string

// maxLine bounds a line of the input.
const maxLine = 64 << 10

// Email is a mail to one recipient.
type Email struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Webhook is a document to POST to a path of the receiver.
type Webhook struct {
	Path string          `json:"path"`
	Body json.RawMessage `json:"body"`
}

// Generic names a handler of this program and its arguments.
type Generic struct {
	Handler string   `json:"handler"`
	Args    []string `json:"args"`
}

// record is one line of the input: Type says which of the embedded jobs it is.
type record struct {
	Type string `json:"type"`
	Email
	Webhook
	Generic

	source string // file:line
}

// openJobs opens the named file, or the built-in one.
func openJobs(name string) (io.ReadCloser, error) {
	if name == "" {
		return io.NopCloser(strings.NewReader(builtinJobs)), nil
	}
	return os.Open(name)
}

// records reads JSON lines. A malformed line comes as an error that begins with
// its file:line, and reading goes on behind it; blank lines are skipped.
func records(name string, r io.Reader) iter.Seq2[record, error] {
	if name == "" {
		name = "jobs.jsonl"
	}
	return func(yield func(record, error) bool) {
		lines := bufio.NewReader(r)
		for n := 1; ; n++ {
			line, end := readLine(lines)
			source := fmt.Sprintf("%s:%d", name, n)
			if end != nil && !errors.Is(end, io.EOF) {
				yield(record{}, fmt.Errorf("%s: %w", source, end))
				return
			}
			if line := bytes.TrimSpace(line); len(line) > 0 && !yield(parse(source, line)) {
				return
			}
			if end != nil {
				return
			}
		}
	}
}

// readLine reads up to and including the next newline, of which it keeps little more than
// maxLine: enough for parse to see that it is too long.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// parse reads one line; source tells where it stands.
func parse(source string, line []byte) (record, error) {
	rec := record{source: source}
	if len(line) > maxLine {
		return rec, fmt.Errorf("%s: line longer than %d bytes", source, maxLine)
	}
	strict := json.NewDecoder(bytes.NewReader(line))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&rec); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the JSON ends too early")
		}
		return rec, fmt.Errorf("%s: %w", source, err)
	}
	if _, err := strict.Token(); !errors.Is(err, io.EOF) {
		return rec, fmt.Errorf("%s: more than one JSON value", source)
	}
	if err := rec.validate(); err != nil {
		return rec, fmt.Errorf("%s: %w", source, err)
	}
	return rec, nil
}

func (r record) validate() error {
	switch r.Type {
	case "email":
		return r.Email.validate()
	case "webhook":
		return r.Webhook.validate()
	case "generic":
		return r.Generic.validate()
	case "":
		return errors.New("no type")
	default:
		return fmt.Errorf("unknown type %q", r.Type)
	}
}

func (e Email) validate() error {
	if e.To == "" {
		return errors.New(`email without "to"`)
	}
	if _, err := mail.ParseAddress(e.To); err != nil {
		return fmt.Errorf("email to %q: %w", e.To, err)
	}
	return nil
}

func (w Webhook) validate() error {
	if !strings.HasPrefix(w.Path, "/") {
		return fmt.Errorf("webhook path %q does not begin with /", w.Path)
	}
	if len(w.Body) == 0 {
		return errors.New(`webhook without "body"`)
	}
	return nil
}

func (g Generic) validate() error {
	if _, ok := handlers[g.Handler]; !ok {
		return fmt.Errorf("unknown handler %q", g.Handler)
	}
	return nil
}
