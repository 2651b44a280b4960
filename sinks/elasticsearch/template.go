package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"auditlog-connector/pipeline"
)

const (
	// templateVersion grows with every change of what templateBody returns.
	templateVersion = 1
	// templatePriority is above those of the templates that Elasticsearch comes with.
	templatePriority = 500
	// manager says in a template that it is ours to replace.
	manager = "auditlog-connector"
)

// template is an index template as the server has it.
type template struct {
	Version int `json:"version"`
	Meta    struct {
		ManagedBy string `json:"managed_by"`
		Schema    string `json:"schema"`
	} `json:"_meta"`
}

// templateBody returns the index template of t for documents of schema.
func templateBody(t *target, schema string) []byte {
	body := map[string]any{
		"index_patterns": []string{t.pattern()},
		"priority":       templatePriority,
		"version":        templateVersion,
		"_meta":          map[string]any{"managed_by": manager, "schema": schema},
		"template":       map[string]any{"settings": map[string]any{"index.number_of_shards": 1}, "mappings": mappings(schema, t.stream != "")},
	}
	if t.stream != "" {
		body["data_stream"] = map[string]any{}
	}
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return text
}

// prepare sees to the template of the target, once per process: without it the
// first document decides for ever what a field may hold.
func (s *sink) prepare(ctx context.Context) error {
	if !s.config.InstallTemplate || s.prepared == s.target.place {
		return nil
	}
	if err := s.installTemplate(ctx); err != nil {
		return fmt.Errorf("index template %s: %w", s.target.templateName(), err)
	}
	s.prepared = s.target.place
	return nil
}

func (s *sink) installTemplate(ctx context.Context) error {
	name := s.target.templateName()
	there, err := s.template(ctx, name)
	switch {
	case err != nil:
		return s.templateHint(err)
	case there == nil:
	case there.Meta.ManagedBy != manager:
		s.log.Warn("the index template is somebody else's and is left as it is", "lane", s.lane, "template", name,
			"hint", "delete it, or write install_template: false to have this said no more")
		return nil
	case there.Version > templateVersion:
		return nil // a newer connector's
	case there.Version == templateVersion && there.Meta.Schema == s.config.Schema:
		return nil
	}
	c := call{method: http.MethodPut, path: "/_index_template/" + name, body: templateBody(s.target, s.config.Schema), content: typeJSON}
	if _, err := s.askJSON(ctx, c, nil); err != nil {
		return s.templateHint(err)
	}
	s.log.Info("index template installed", "lane", s.lane, "template", name, "version", templateVersion)
	return nil
}

// template returns the index template of that name, nil if there is none.
func (s *sink) template(ctx context.Context, name string) (*template, error) {
	var answer struct {
		Templates []struct {
			Template template `json:"index_template"`
		} `json:"index_templates"`
	}
	found, err := s.askJSON(ctx, call{method: http.MethodGet, path: "/_index_template/" + name}, &answer)
	if err != nil || !found || len(answer.Templates) == 0 {
		return nil, err
	}
	return &answer.Templates[0].Template, nil
}

func (s *sink) templateHint(err error) error {
	if pipeline.IsPermanent(err) {
		return fmt.Errorf("%w; grant manage_index_templates, or have an administrator put the template there and write install_template: false", err)
	}
	return err
}
