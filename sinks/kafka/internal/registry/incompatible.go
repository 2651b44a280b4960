package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// incompatible says in words why a schema was refused.
func (c *Client) incompatible(ctx context.Context, subject, schema string, refusal error) error {
	level := c.level(ctx, subject)
	var verdict struct {
		Messages []string `json:"messages"`
	}
	why := refusal.Error()
	var conflict *conflictError
	if errors.As(refusal, &conflict) {
		why = conflict.message
	}
	path := "/compatibility/subjects/" + url.PathEscape(subject) + "/versions/latest?verbose=true"
	if err := c.post(ctx, path, schema, &verdict); err == nil && len(verdict.Messages) > 0 {
		why = words(strings.Join(verdict.Messages, "; "))
	}
	if password, err := c.config.Password(); err == nil {
		why = httpclient.Redact(why, password) // a registry may say back what it was sent
	}
	return pipeline.Permanent(fmt.Errorf("schema registry %s: subject %s: the schema is incompatible with the one there (compatibility level %s): %s; "+
		"choose another subject_strategy or topic, or change the subject's level until it is registered", c.config.URL, subject, level, nameFields(why, schema)))
}

func (c *Client) level(ctx context.Context, subject string) string {
	var answer struct {
		Level string `json:"compatibilityLevel"`
	}
	for _, path := range []string{"/config/" + url.PathEscape(subject) + "?defaultToGlobal=true", "/config"} {
		// A registry that refuses has a level: NONE means that the subject has none of its own.
		if err := c.do(ctx, http.MethodGet, path, nil, &answer); err == nil && answer.Level != "" && answer.Level != "NONE" {
			return answer.Level
		}
	}
	return "unknown"
}

// conflictError is a schema that the registry refuses, with its words, which name
// the fields and are longer than other messages.
type conflictError struct {
	error
	message string
}

func (e *conflictError) Unwrap() error { return e.error }

// words puts a registry's reasons on one line, and cuts them.
func words(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	return s[:min(len(s), 1500)]
}

var fieldPath = regexp.MustCompile(`/fields/(\d+)[a-z0-9/]*`)

// nameFields puts the name of a field of schema behind each path that only counts.
func nameFields(text, schema string) string {
	var parsed struct {
		Fields []struct{ Name string }
	}
	if json.Unmarshal([]byte(schema), &parsed) != nil {
		return text
	}
	return fieldPath.ReplaceAllStringFunc(text, func(path string) string {
		// The first number of a path is a field of the record itself.
		n, err := strconv.Atoi(fieldPath.FindStringSubmatch(path)[1])
		if err != nil || n >= len(parsed.Fields) {
			return path
		}
		return path + " (" + parsed.Fields[n].Name + ")"
	})
}
