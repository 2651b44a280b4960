package testserver

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// KubernetesSchemas returns the argument for kubeconform's -schema-location that
// leads to the schemas of a version of Kubernetes, such as "1.33.4". They are made
// from its own API description and are strict: unknown fields are errors.
func KubernetesSchemas(t testing.TB, version string) string {
	t.Helper()
	dir := Install(t, "kubernetes-schemas-"+version, func(dir string) error {
		out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@v"+version).Output()
		if err != nil {
			return fmt.Errorf("download k8s.io/kubernetes %s: %w", version, err)
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(out, &module); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(module.Dir, "api", "openapi-spec", "swagger.json"))
		if err != nil {
			return err
		}
		return writeSchemas(dir, text)
	})
	return filepath.Join(dir, "{{.ResourceKind}}{{.KindSuffix}}.json")
}

// swaggerDefinition is a type of the API description.
type swaggerDefinition = map[string]any

// writeSchemas writes one JSON schema for each kind of the API description.
func writeSchemas(dir string, swagger []byte) error {
	var api struct {
		Definitions map[string]swaggerDefinition `json:"definitions"`
	}
	if err := json.Unmarshal(swagger, &api); err != nil {
		return err
	}
	for name, d := range api.Definitions {
		strict(name, d)
	}
	for name, d := range api.Definitions {
		kinds, _ := d["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			gvk, ok := k.(map[string]any)
			if !ok {
				return fmt.Errorf("definition %s: its kind is %v", name, k)
			}
			group, _ := gvk["group"].(string)
			version, _ := gvk["version"].(string)
			kind, _ := gvk["kind"].(string)
			file := strings.ToLower(kind) + "-" + version + ".json"
			if group != "" {
				first, _, _ := strings.Cut(group, ".")
				file = strings.ToLower(kind) + "-" + first + "-" + version + ".json"
			}
			used := make(map[string]swaggerDefinition)
			collect(api.Definitions, name, used)
			text, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + name, "definitions": used})
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// strict closes a type, and says of the two that are several things in JSON which.
func strict(name string, d swaggerDefinition) {
	switch {
	case strings.HasSuffix(name, ".IntOrString"), strings.HasSuffix(name, ".Quantity"):
		delete(d, "type")
		delete(d, "format")
		d["oneOf"] = []any{map[string]any{"type": "string"}, map[string]any{"type": "number"}}
	case d["properties"] != nil && d["additionalProperties"] == nil:
		d["additionalProperties"] = false
	}
}

// collect adds to used the type name and those it refers to.
func collect(all map[string]swaggerDefinition, name string, used map[string]swaggerDefinition) {
	if used[name] != nil || all[name] == nil {
		return
	}
	used[name] = all[name]
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				collect(all, strings.TrimPrefix(ref, "#/definitions/"), used)
			}
			for _, part := range v {
				look(part)
			}
		case []any:
			for _, part := range v {
				look(part)
			}
		}
	}
	look(all[name])
}
