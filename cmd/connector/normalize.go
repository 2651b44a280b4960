package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"auditlog-connector/schemas/document"
	"auditlog-connector/sources/openai"
)

func (a *app) normalizeCommand() *cobra.Command {
	var to, source string
	cmd := &cobra.Command{
		Use:   "normalize [FILE…]",
		Short: "Prints raw events as a sink would get them",
		Long: `normalize reads events as the API returns them, from files or standard input, and
prints each as one line of JSON in the schema that a sink with "schema" set so
would get. It takes one event a line (JSON Lines), list pages as curl prints them,
arrays, and any of these one after the other.

What cannot be read is reported with file and line, and the rest goes on; the exit
code is 1 then. Nothing is contacted and no configuration is read.`,
		Example: `  curl -s "https://api.openai.com/v1/organization/audit_logs?limit=20" -H "Authorization: Bearer $OPENAI_ADMIN_KEY" | connector normalize --to ecs
  connector normalize --to ocsf events.jsonl | jq .class_name
  connector query -o json "SELECT raw FROM audit_events LIMIT 10" | jq -r '.[].raw' | connector normalize --to cim`,
		PreRunE: func(*cobra.Command, []string) error {
			if document.Lookup(to) == nil {
				return fmt.Errorf("--to %s: unknown schema (known: %s)", to, document.Names())
			}
			return nil
		},
		RunE: a.verb(func(ctx context.Context, files []string) error {
			return a.normalize(ctx, files, source, document.Lookup(to))
		}),
	}
	cmd.Flags().StringVar(&to, "to", "normalized", "schema: "+document.Names())
	cmd.Flags().StringVar(&source, "source", "openai", "the source's name in the records")
	names := strings.FieldsFunc(strings.ReplaceAll(document.Names(), " or ", ","), func(c rune) bool { return c == ',' || c == ' ' })
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// normalize prints the events of files, or of standard input if there are none.
func (a *app) normalize(ctx context.Context, files []string, source string, format document.Append) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	n := normalization{ctx: ctx, source: source, format: format, out: bufio.NewWriterSize(a.stdout, 64<<10), errs: a.stderr}
	for _, file := range files {
		err := n.file(file, a.stdin)
		if err := errors.Join(err, n.out.Flush()); err != nil {
			return err
		}
	}
	if n.failed > 0 {
		return &exitError{exitFailure, fmt.Errorf("normalize: %d could not be read; %d were printed", n.failed, n.printed)}
	}
	return nil
}

// normalization is one run of the verb.
type normalization struct {
	ctx    context.Context
	source string
	format document.Append
	out    *bufio.Writer
	errs   io.Writer
	line   []byte

	printed, failed int
}

// file prints the events of one file. Only what ends the run is an error.
func (n *normalization) file(name string, stdin io.Reader) error {
	in := stdin
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			n.failed++
			fmt.Fprintln(n.errs, err)
			return nil
		}
		defer f.Close()
		in = f
	}
	bad := func(line int, err error) {
		n.failed++
		_ = n.out.Flush() // so that the two outputs stay in order on a terminal
		fmt.Fprintf(n.errs, "%s:%d: %v (%s)\n", printable(name), line, err, entryHint)
	}
	r := newEntryReader(&promptReader{ctx: n.ctx, in: in, out: n.out})
	r.bad = bad
	r.each = func(entry []byte, line int) error {
		e, err := openai.Normalize(n.source, entry)
		if err != nil {
			bad(line, err)
			return nil
		}
		n.printed++
		n.line = append(n.format(n.line[:0], &e.Audit), '\n')
		_, err = n.out.Write(n.line)
		return err
	}
	if err := r.all(); err != nil {
		return fmt.Errorf("normalize %s: %w", name, err)
	}
	return nil
}

const entryHint = "want an event as the API returns it: an object with id, type and effective_at, one a line or in a list page"

// promptReader reads in, once what was printed so far is out: whoever feeds lines
// one by one sees each. It ends when ctx is done, also while in blocks.
type promptReader struct {
	ctx  context.Context
	in   io.Reader
	out  *bufio.Writer
	room []byte // that in reads into: a read that was given up may still write there
}

type readResult struct {
	n   int
	err error
}

func (p *promptReader) Read(b []byte) (int, error) {
	if err := p.out.Flush(); err != nil {
		return 0, err
	}
	if len(p.room) < len(b) {
		p.room = make([]byte, len(b))
	}
	done := make(chan readResult, 1)
	go func() {
		n, err := p.in.Read(p.room[:len(b)])
		done <- readResult{n, err}
	}()
	select {
	case r := <-done:
		return copy(b, p.room[:r.n]), r.err
	case <-p.ctx.Done():
		return 0, p.ctx.Err()
	}
}
