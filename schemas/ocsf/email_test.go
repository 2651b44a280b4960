package ocsf

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"regexp"
	"testing"
	"time"
)

// TestEmailsAreTheSchemas compares isEmail with the pattern of email_t.
func TestEmailsAreTheSchemas(t *testing.T) {
	text, err := os.ReadFile("testdata/ocsf-classes.json")
	if err != nil {
		t.Fatal(err)
	}
	var tables struct {
		Types map[string]struct{ Regex string }
	}
	if err := json.Unmarshal(text, &tables); err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(tables.Types["email_t"].Regex)
	same := func(s string) bool {
		want := pattern.MatchString(s)
		if got := isEmail(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
		return want
	}
	for _, s := range []string{"", "@", "a", "a@b", "a@b.c", "a@.c", "a@b.", "a@b..", "@b.c", "a@b.c.d", "a@b@c.d", "a b@c.d", "a@b_c.d", "a@b.c_d",
		"o'neil@example.com", "a+b@example.com", "a@b-.c", "ü@example.com", "a@bücher.example", "a@b.c\n", "a,b@c.d", "a/b@c.d", "(a)@c.d"} {
		same(s)
	}
	for c := range 256 {
		same(string([]byte{byte(c)}) + "@b.c")
		same("a@b.c" + string([]byte{byte(c)}))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	matches := 0
	for range 20_000 {
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = "aZ9@@..-_+é "[r.IntN(13)]
		}
		if same(string(b)) {
			matches++
		}
	}
	if matches == 0 {
		t.Error("no random text was an address")
	}
}
