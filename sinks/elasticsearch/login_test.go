package elasticsearch

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

func TestSecretsAreReadAgainWhenTheyAreRefused(t *testing.T) {
	for name, login := range map[string]string{"an API key": "api_key: '${file:%s}'", "a password": "{username: u, password: '${file:%s}'}"} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte("oldoldold\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		n, problems := strictyaml.Parse([]byte(fmt.Sprintf(login, path)))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		c := Config{URLs: []string{"https://node.invalid"}, Schema: "ecs", InstallTemplate: true}
		if problems := strictyaml.Decode(n, "", &c, new(strictyaml.Expander)); len(problems) > 0 {
			t.Fatal(problems)
		}
		f := newFake()
		valid := ""
		f.verify = func(r *http.Request) int {
			if valid == "" {
				valid = r.Header.Get("Authorization")
			}
			if got := r.Header.Get("Authorization"); got != valid || !strings.HasPrefix(got, "ApiKey ") && !strings.HasPrefix(got, "Basic ") {
				return http.StatusUnauthorized
			}
			return 0
		}
		k := openLane(t, f, &c, lane)
		if err := k.Deliver(t.Context(), batch(k, 1, 2, day, 0)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		valid = "Basic bm9uZQ=="
		err := k.Deliver(t.Context(), batch(k, 2, 2, day, 0))
		if !pipeline.IsPermanent(err) || !errors.Is(err, pipeline.ErrRefused) || strings.Contains(err.Error(), "oldoldold") {
			t.Errorf("%s, refused: %v", name, err)
		}
		if err := os.WriteFile(path, []byte("newnewnew\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		valid = ""
		b := batch(k, 3, 2, day, 0)
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Errorf("%s, replaced: %v", name, err)
		}
		f.check(t, b)
	}
	k := openLane(t, newFake(), &Config{URLs: []string{"https://n"}, APIKey: secret.Literal("id:key"), Schema: "ecs"}, lane)
	if err := k.Deliver(t.Context(), batch(k, 1, 1, day, 0)); err == nil || strings.Contains(err.Error(), "id:key,") || !strings.Contains(err.Error(), "encoded form") {
		t.Errorf("a key that is not encoded: %v", err)
	}
}
