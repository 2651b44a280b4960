package splunk

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dashboard is what the tests look at of a Dashboard Studio definition.
type dashboard struct {
	DataSources map[string]struct {
		Type    string
		Options struct {
			Query string
		}
	}
	Visualizations map[string]struct {
		Type        string
		DataSources map[string]string
	}
	Inputs map[string]any
	Layout struct {
		GlobalInputs []string
		Options      struct{ Width, Height int }
		Structure    []struct {
			Item     string
			Position struct{ X, Y, W, H int }
		}
	}
}

func TestDashboardHangsTogether(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(app, "default", "data", "ui", "views", "openai_audit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<definition><![CDATA[")
	definition, _, _ := strings.Cut(rest, "]]>")
	var d dashboard
	if err := json.Unmarshal([]byte(definition), &d); err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for name, v := range d.Visualizations {
		for _, source := range v.DataSources {
			used[source] = true
			if _, ok := d.DataSources[source]; !ok {
				t.Errorf("%s shows %s, which is not there", name, source)
			}
		}
	}
	all := samples(t)
	for name, s := range d.DataSources {
		if !used[name] {
			t.Errorf("%s is not shown", name)
		}
		if len(matching(t, all, expand(t, s.Options.Query))) == 0 {
			t.Errorf("%s finds no sample: %s", name, s.Options.Query)
		}
		if !strings.Contains(s.Options.Query, "`openai_audit_dedup`") && name != "ds_repeats" {
			t.Errorf("%s counts repeats", name)
		}
	}
	placed := make(map[string]bool)
	for i, a := range d.Layout.Structure {
		placed[a.Item] = true
		p := a.Position
		if p.X < 0 || p.Y < 0 || p.X+p.W > d.Layout.Options.Width || p.Y+p.H > d.Layout.Options.Height {
			t.Errorf("%s lies outside", a.Item)
		}
		for _, b := range d.Layout.Structure[:i] {
			q := b.Position
			if p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H {
				t.Errorf("%s lies on %s", a.Item, b.Item)
			}
		}
	}
	for name := range d.Visualizations {
		if !placed[name] {
			t.Errorf("%s has no place", name)
		}
	}
	for _, in := range d.Layout.GlobalInputs {
		if d.Inputs[in] == nil {
			t.Errorf("there is no input %s", in)
		}
	}
}
