package main

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecords(t *testing.T) {
	input := "\r\n" +
		`{"type":"email","to":"a@b.example","subject":"s","text":"t"}` + "\r\n" +
		`{"type":"webhook","path":"/x","body":{"n":1}}` + "\n" +
		" \t\n" +
		`{"type":"generic","handler":"checksum","args":["a","b"]}` // no newline at the end
	var got []record
	for rec, err := range records("in", strings.NewReader(input)) {
		require.NoError(t, err)
		got = append(got, rec)
	}
	assert.Equal(t, []record{
		{Type: "email", Email: Email{"a@b.example", "s", "t"}, source: "in:2"},
		{Type: "webhook", Webhook: Webhook{"/x", []byte(`{"n":1}`)}, source: "in:3"},
		{Type: "generic", Generic: Generic{"checksum", []string{"a", "b"}}, source: "in:5"},
	}, got)
}

func TestMalformedLines(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"email","to":"a@b`:                "in:2: the JSON ends too early",
		`type=email`:                               "in:2: invalid character 'y' in literal true (expecting 'r')",
		`[]`:                                       "in:2: json: cannot unmarshal array into Go value of type main.record",
		`{}`:                                       "in:2: no type",
		`null`:                                     "in:2: no type",
		`{"type":"fax"}`:                           `in:2: unknown type "fax"`,
		`{"type":"fax"} {}`:                        "in:2: more than one JSON value",
		`{"type":"email"}`:                         `in:2: email without "to"`,
		`{"type":"email","to":"nobody"}`:           `in:2: email to "nobody": mail: missing '@' or angle-addr`,
		`{"type":"email","cc":"x@y"}`:              `in:2: json: unknown field "cc"`,
		`{"type":"email","to":7}`:                  "in:2: json: cannot unmarshal number into Go struct field record.Email.to of type string",
		`{"type":"webhook","path":"x","body":1}`:   `in:2: webhook path "x" does not begin with /`,
		`{"type":"webhook","path":"/x"}`:           `in:2: webhook without "body"`,
		`{"type":"generic","handler":"rm"}`:        `in:2: unknown handler "rm"`,
		`{"type":"` + strings.Repeat("x", maxLine): "in:2: line longer than 65536 bytes",
		`{"type":"` + strings.Repeat("x", maxLine) + `"`: "in:2: line longer than 65536 bytes",
	} {
		const good = `{"type":"generic","handler":"checksum"}`
		var sources, errs []string
		for rec, err := range records("in", strings.NewReader(good+"\n"+line+"\n"+good)) {
			if err != nil {
				errs = append(errs, err.Error())
				continue
			}
			sources = append(sources, rec.source)
		}
		for i, err := range errs {
			errs[i] = strings.Replace(err, "record.to of", "record.Email.to of", 1) // as Go 1.27 has it
		}
		assert.Equal(t, []string{want}, errs)
		assert.Equal(t, []string{"in:1", "in:3"}, sources, "the lines around it are read")
	}
}

func TestReadErrorEndsTheInput(t *testing.T) {
	broken := errors.New("disk on fire")
	n := 0
	for _, err := range records("in", iotest.ErrReader(broken)) {
		require.ErrorIs(t, err, broken)
		n++
	}
	assert.Equal(t, 1, n)
}

func FuzzRecords(f *testing.F) {
	for line := range strings.Lines(builtinJobs) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, input string) {
		n := 0
		for rec, err := range records("in", strings.NewReader(input)) {
			n++
			if err != nil {
				require.True(t, strings.HasPrefix(err.Error(), "in:"), err)
				continue
			}
			require.NoError(t, rec.validate())
		}
		require.LessOrEqual(t, n, strings.Count(input, "\n")+1)
	})
}
