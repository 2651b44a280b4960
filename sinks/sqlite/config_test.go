package sqlite

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/pipeline"
)

func TestConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"{}":             "",
		"path: a.db":     "",
		"path: ''":       "1:7: c.path: is empty (the file of the database)",
		"{pfad: audit }": "1:2: c.pfad: unknown key",
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			t.Fatal(err)
		}
		c, problems := Type.Decode(n.Content[0], "c", nil)
		got := ""
		if len(problems) > 0 {
			got = problems[0].String()
		}
		if len(got) < len(want) || got[:len(want)] != want || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if g, conditions := c.Guarantee(); g != pipeline.ExactlyOnce || len(conditions) == 0 {
			t.Errorf("guarantee %s, %d conditions", g, len(conditions))
		}
	}
}

func TestTwoSourcesMayShareAFile(t *testing.T) {
	c, _ := Type.Decode(nil, "", nil)
	if a, b := c.Exclusive("a"), c.Exclusive("b"); a == b || a != c.Exclusive("a") || a == "" {
		t.Errorf("places %q and %q, want two", a, b)
	}
}
