package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sources"
)

// defaultFile is read when --config is not given.
const defaultFile = "connector.yaml"

// builtinName stands for the file name in messages about the built-in configuration.
const builtinName = "built-in configuration"

// settings is a configuration that was validated: nothing in it changes any more.
type settings struct {
	name string // of the file, for messages
	file fileConfig
	// httpConfigured says that the block http is in the file: whoever writes it
	// wants the endpoint.
	httpConfigured bool
	sources        []configuredSource
	lanes          []laneSettings
	problems       []strictyaml.Problem // warnings only
}

type configuredSource struct {
	name string
	sources.Configured
}

// laneSettings is one source feeding one sink.
type laneSettings struct {
	source     string
	sink       sinkConfig
	configured sinks.Configured
	batch      pipeline.BatchPolicy
}

func (l laneSettings) name() string { return l.source + "/" + l.sink.Name }

// configError is everything that is wrong with a configuration.
type configError struct {
	name     string
	problems []strictyaml.Problem
}

// Error lists the errors, one a line, without the warnings.
func (e *configError) Error() string {
	var b strings.Builder
	n := 0
	for _, p := range e.problems {
		if !p.Warning {
			fmt.Fprintf(&b, "\n%s:%s", e.name, spaced(p))
			n++
		}
	}
	what := "1 problem"
	if n != 1 {
		what = fmt.Sprintf("%d problems", n)
	}
	return what + " in the configuration" + b.String()
}

// spaced returns p so that it can follow "name:", with a space if p has no place.
func spaced(p strictyaml.Problem) string {
	if p.Line == 0 {
		return " " + p.String()
	}
	return p.String()
}

// printWarnings writes the warnings among problems, one a line.
func printWarnings(w io.Writer, name string, problems []strictyaml.Problem) {
	for _, p := range problems {
		if p.Warning {
			fmt.Fprintf(w, "%s:%s\n", name, spaced(p))
		}
	}
}

// configText returns the configuration to use: the file of that name, else
// connector.yaml in the working directory, else the built-in one.
func (a *app) configText(file string) (name string, text []byte, err error) {
	if file != "" {
		text, err = os.ReadFile(file)
		if err != nil {
			return file, nil, usage(fmt.Errorf("read configuration: %w", err))
		}
		return file, text, nil
	}
	text, err = os.ReadFile(defaultFile)
	switch {
	case err == nil:
		return defaultFile, text, nil
	case !errors.Is(err, fs.ErrNotExist):
		return defaultFile, nil, usage(fmt.Errorf("read configuration: %w", err))
	}
	return builtinName, []byte(a.builtin()), nil
}

//go:embed builtin.yaml
var builtinText string

// builtin returns the built-in configuration: OPENAI_ADMIN_KEY, and
// OPENAI_BASE_URL if it is set, into one SQLite file.
func (a *app) builtin() string {
	text := builtinText
	if url, ok := a.lookupEnv("OPENAI_BASE_URL"); !ok || url == "" {
		text = strings.ReplaceAll(text, "      base_url: ${env:OPENAI_BASE_URL}\n", "")
	}
	return text
}

// load reads and validates the configuration. With secrets set it also makes sure
// that each can be read. What is wrong is one [configError]; warnings are in the
// result.
func (a *app) load(file string, secrets bool) (*settings, error) {
	name, text, err := a.configText(file)
	if err != nil {
		return nil, err
	}
	return a.read(name, text, secrets)
}

// read is load for the text of a file.
func (a *app) read(name string, text []byte, secrets bool) (*settings, error) {
	root, problems := strictyaml.Parse(text)
	s := &settings{}
	if !strictyaml.HasErrors(problems) {
		var more []strictyaml.Problem
		s, more = a.decode(root, &strictyaml.Expander{LookupEnv: a.lookupEnv, Deferred: secrets})
		problems = append(problems, more...)
	}
	if name == builtinName {
		problems = builtinProblems(problems)
	}
	s.name, s.problems = name, problems
	if strictyaml.HasErrors(problems) {
		return s, usage(&configError{name, problems})
	}
	return s, nil
}

// builtinProblems takes out the places, which nobody can look up, and says what to do.
func builtinProblems(problems []strictyaml.Problem) []strictyaml.Problem {
	for i := range problems {
		problems[i].Line, problems[i].Column = 0, 0
		if problems[i].Hint == "" {
			problems[i].Hint = "there is no " + defaultFile + " here: set OPENAI_ADMIN_KEY, or name a file with --config"
		}
	}
	return problems
}

// decode turns the document into settings and collects all problems, in the order
// of the file.
func (a *app) decode(root *yaml.Node, x *strictyaml.Expander) (*settings, []strictyaml.Problem) {
	d := &configDecoder{app: a, root: root, x: x, s: &settings{file: defaultConfig()}}
	d.problems = strictyaml.Decode(root, "", &d.s.file, x)
	d.s.httpConfigured = strictyaml.Has(root, "http")
	d.general()
	d.sources()
	d.sinks()
	sortProblems(d.problems)
	return d.s, d.problems
}
