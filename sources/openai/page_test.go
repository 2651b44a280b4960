package openai

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parseSlowly reads a body with encoding/json: what parsePage has to agree with.
func parseSlowly(body []byte) (*list, error) {
	l, documents := &list{}, 0
	for d := json.NewDecoder(bytes.NewReader(body)); ; documents++ {
		var envelope json.RawMessage
		if err := d.Decode(&envelope); errors.Is(err, io.EOF) && documents > 0 {
			return l, nil
		} else if err != nil {
			return nil, err
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(envelope, &m); err != nil || m == nil {
			return nil, errors.New("not an object")
		}
		var data []json.RawMessage
		more, last := "", any(nil)
		if err := json.Unmarshal(m["data"], &data); err != nil || data == nil {
			return nil, errors.New("no data")
		}
		if more = string(m["has_more"]); more != "true" && more != "false" {
			return nil, errors.New("no has_more")
		}
		if raw, ok := m["last_id"]; ok {
			if err := json.Unmarshal(raw, &last); err != nil {
				return nil, err
			}
		}
		l.hasMore, l.lastID = more == "true", ""
		if s, ok := last.(string); ok {
			l.lastID = s
		} else if last != nil {
			return nil, errors.New("last_id")
		}
		for _, raw := range data {
			e := entry{body: raw}
			var fields map[string]json.RawMessage
			if json.Unmarshal(raw, &fields) == nil {
				e.effectiveAt = fields["effective_at"]
				_ = json.Unmarshal(fields["id"], &e.id)
			}
			if e.id == "" {
				sum := sha256.Sum256(raw)
				e.id = "sha256-" + hex.EncodeToString(sum[:])
			}
			l.entries = append(l.entries, e)
		}
	}
}

func same(t *testing.T, body []byte) {
	t.Helper()
	got, err := parsePage(body)
	want, wantErr := parseSlowly(body)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%.400q: error %v, encoding/json says %v", body, err, wantErr)
	}
	if err != nil {
		return
	}
	if len(got.entries) != len(want.entries) || got.hasMore != want.hasMore || got.lastID != want.lastID {
		t.Fatalf("%.400q: %d entries, has_more %v, last_id %q; encoding/json: %d, %v, %q", body,
			len(got.entries), got.hasMore, got.lastID, len(want.entries), want.hasMore, want.lastID)
	}
	for i := range got.entries {
		if g, w := got.entries[i], want.entries[i]; !bytes.Equal(g.body, w.body) || g.id != w.id || !bytes.Equal(g.effectiveAt, w.effectiveAt) {
			t.Fatalf("%.400q: entry %d is %q %q %q; encoding/json: %q %q %q", body, i, g.id, g.effectiveAt, g.body, w.id, w.effectiveAt, w.body)
		}
	}
}

var pages = []string{
	`{"object":"list","data":[{"id":"a","effective_at":1,"type":"login.succeeded"},{"id":"b","effective_at":2}],"first_id":"a","last_id":"b","has_more":true}`,
	` { "data" : [ ] , "has_more" : false } `,
	`{"data":[],"has_more":false,"last_id":null}`,
	`{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}` + "\n" + `{"data":[{"id":"b"}],"has_more":false}`,
	`{"data":[],"has_more":true,"last_id":"a"}{"data":[],"has_more":false}`,
	`{"data":[null,1,"x",[],{}],"has_more":false}`,
	`{"data":[{"id":1},{"id":""},{"id":null},{"id":"é\ud83d\ude00\u00e9\n"},{"\u0069d":"escaped name"}],"has_more":false}`,
	`{"data":[{"id":"first","id":"last","effective_at":1,"effective_at":2}],"data":[{"id":"other"}],"has_more":true,"has_more":false,"last_id":"x","last_id":"y"}`,
	`{"data":7,"data":[],"has_more":0,"has_more":true,"last_id":{},"last_id":"x"}`, `{"data":[],"data":7,"has_more":true}`,
	`{"d\u0061ta":[],"has_more":false}`, `{"DATA":[],"HAS_MORE":false}`,
	`{"data":[],"has_more":false,"x":[[{"y":[1,-0.5e+3,true,false,null,""]}]]}`,
	``, ` `, `null`, `[]`, `"x"`, `1`, `{}`, `{"data":{},"has_more":false}`, `{"data":null,"has_more":false}`, `{"data":[],"has_more":"true"}`,
	`{"data":[],"has_more":null}`, `{"data":[]}`, `{"has_more":false}`, `{"data":[],"has_more":false,"last_id":7}`, `{"error":"no"}`,
	`{"data":[],"has_more":false`, `{"data":[{"id":"a"`, `{"data":[],"has_more":false},`, `{"data":[],"has_more":false} x`, `{"data":[],,"has_more":false}`,
	`{"data":[{"a":01}],"has_more":false}`, `{"data":[{"a":1.}],"has_more":false}`, `{"data":["\x"],"has_more":false}`, `{"data":["\u00g0"],"has_more":false}`,
	"{\"data\":[\"\x01\"],\"has_more\":false}", "{\"data\":[{\"id\":\"\xff\"}],\"has_more\":false}", `{"data":[{"a":-}],"has_more":false}`, `<html>`,
	`{"data":[{"id":"a","x":[}],"has_more":false}`, `{"data":[tru],"has_more":false}`, `{"data":[1 2],"has_more":false}`, `{"a":1,}`, `{"data":[[[1,]]],"has_more":false}`,
	`{"data":["\u12`, `{"data":["\`, `{"data":["\uD800"],"has_more":false}`, `{"data":[{"id":"\uD800"}],"has_more":false}`,
	`{"data":[` + strings.Repeat("[", 9998) + strings.Repeat("]", 9998) + `],"has_more":false}`,
	`{"data":[` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `],"has_more":false}`,
	`{"data":[` + strings.Repeat(`{"a":`, 9998) + "1" + strings.Repeat("}", 9998) + `],"has_more":false}`,
	`{"data":[` + strings.Repeat(`{"a":`, 9999) + "1" + strings.Repeat("}", 9999) + `],"has_more":false}`,
}

func TestPageAgreesWithEncodingJSON(t *testing.T) {
	for _, p := range pages {
		same(t, []byte(p))
	}
}

func TestRandomPagesAgreeWithEncodingJSON(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		body := []byte(pages[rng.IntN(len(pages)-4)])
		if rng.IntN(2) == 0 {
			body = randomPage(rng)
		}
		for range rng.IntN(3) {
			mutate(rng, &body)
		}
		same(t, body)
	}
}

func mutate(rng *rand.Rand, body *[]byte) {
	b := bytes.Clone(*body)
	defer func() { *body = b }()
	if len(b) == 0 {
		return
	}
	i, j := rng.IntN(len(b)), rng.IntN(len(b))
	switch rng.IntN(4) {
	case 0:
		b[i] = "{}[]\",:\\ue0-.tn \n\x00\xff"[rng.IntN(19)]
	case 1:
		b = append(b[:i], b[min(i+rng.IntN(4), len(b)):]...)
	case 2:
		b = b[:i]
	default:
		b = append(b[:i:i], append(bytes.Clone(b[min(i, j):max(i, j)]), b[i:]...)...)
	}
}

func randomPage(rng *rand.Rand) []byte {
	var value func(depth int) string
	text := func() string {
		b, _ := json.Marshal([]string{"", "x", "id", "é\"\\\n", "effective_at", "\u2028", strings.Repeat("long ", 20)}[rng.IntN(7)])
		return string(b)
	}
	value = func(depth int) string {
		switch n := rng.IntN(8); {
		case n == 0 && depth < 5:
			return "[" + value(depth+1) + " ,\t" + value(depth+1) + "]"
		case n < 3 && depth < 5:
			return "{" + text() + ":" + value(depth+1) + "," + text() + " : " + value(depth+1) + "}"
		case n == 3:
			return fmt.Sprint(rng.NormFloat64() * 1e9)
		default:
			return []string{"true", "false", "null", "[]", "{}", "0", "-1e-3", text(), text()}[rng.IntN(9)]
		}
	}
	var entries []string
	for i := range rng.IntN(5) {
		entries = append(entries, fmt.Sprintf(`{"id":"audit_log-%d",%s:%s,"effective_at":%s,%s:%s}`, i, text(), value(0), value(4), text(), value(0)))
	}
	return fmt.Appendf(nil, `{"object":"list","data":[%s],%s:%s,"last_id":"x","has_more":%t}`, strings.Join(entries, ", "), text(), value(0), rng.IntN(2) == 0)
}

func FuzzPageAgreesWithEncodingJSON(f *testing.F) {
	for _, p := range pages {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, body []byte) { same(t, body) })
}

func TestEntriesArePartsOfTheBody(t *testing.T) {
	body := []byte(`{"data":[ {"id" : "a",  "n":1.0e3} ,{"id":"b"}],"has_more":false}`)
	l, err := parsePage(body)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(l.entries[0].body), `{"id" : "a",  "n":1.0e3}`; got != want {
		t.Errorf("entry %s, want %s", got, want)
	}
	body[len(`{"data":[ {"id" : "a",  "n":`)] = '9'
	if !strings.Contains(string(l.entries[0].body), "9.0e3") || cap(l.entries[0].body) != len(l.entries[0].body) {
		t.Error("the entry is a copy, or reaches beyond its end")
	}
}

func TestWhatIsNoListIsDescribed(t *testing.T) {
	for body, want := range map[string]string{
		"":                              "is empty",
		"[":                             "cut off",
		`{"data":[{"id":"a","x":"`:      "cut off",
		`[]`:                            "it is an array",
		`"sorry"`:                       "it is a string",
		`{"object":"list"}`:             "it has no data",
		`{"data":[]}`:                   "does not say has_more",
		`{"data":"x","has_more":false}`: "data is a string, want an array",
		`{"data":[],"has_more":1}`:      "has_more is a number, want true or false",
		`{"data":[],"has_more":false,"last_id":{}}`:           "last_id is an object, want a string or null",
		`{"error":"Missing scopes: api.audit_logs.read"}`:     "it has no data; the server says: Missing scopes: api.audit_logs.read",
		`{"error":{"message":"overloaded","code":"slow"}}`:    "the server says: overloaded (slow)",
		"<!doctype html><title>Just a moment...</title>":      "the server says: a page of HTML: Just a moment...",
		`{"data":[],"has_more":false}{"error":{"message":1}}`: "it has no data",
	} {
		if _, err := parsePage([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestEffectiveAtIsFlooredParsedAndClamped(t *testing.T) {
	const unreadable = math.MinInt64
	for raw, want := range map[string]int64{
		"1770979925": 1770979925, "0": 0, "-0": 0, "-1": -1, "1770979925.999": 1770979925, "1770979925.99999999999999999999": 1770979925,
		"-1.5": -2, "-0.1": -1, "-2.0": -2, "1.770979925e9": 1770979925, "1.7709799259e9": 1770979925, "17709799259E-1": 1770979925, "0.0001e10": 1000000,
		"1e400": maxSecond, "-1e400": minSecond, "1e-400": 0, "-1e-400": -1, "0e999999999999": 0, "1e99999999999999999999": maxSecond, "1e-99999999999999999999": 0,
		"1770979925000": maxSecond, "253402300799": maxSecond, "253402300800": maxSecond, "-62135596800": minSecond, "-62135596801": minSecond,
		"123456789012345678901234567890": maxSecond, `"1770979925"`: 1770979925, `" 1770979925.5 "`: 1770979925, `"\u0031"`: 1,
		`"2026-03-01T00:00:00Z"`: unreadable, `""`: unreadable, `"1,5"`: unreadable, `"+1"`: unreadable, `"0x10"`: unreadable, `"Inf"`: unreadable, `"NaN"`: unreadable,
		"null": unreadable, "true": unreadable, "{}": unreadable, "[1]": unreadable, "": unreadable,
	} {
		e := entry{effectiveAt: []byte(raw)}
		if raw == "" {
			e.effectiveAt = nil
		}
		got, err := e.time()
		switch {
		case want == unreadable:
			if err == nil {
				t.Errorf("%s: %v, want an error", raw, got)
			}
		case err != nil || got.Unix() != want || got.Location() != time.UTC || got.Nanosecond() != 0:
			t.Errorf("%s: %v %v, want %d", raw, got, err, want)
		}
	}
}

func TestRandomTimesAgreeWithExactArithmetic(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 5000 {
		text := fmt.Sprintf("%d", rng.Int64N(1<<uint(rng.IntN(40)+1))-rng.Int64N(1<<uint(rng.IntN(40)+1)))
		if rng.IntN(2) == 0 {
			text += fmt.Sprintf(".%0*d", 1+rng.IntN(20), rng.IntN(1000))
		}
		if rng.IntN(3) == 0 {
			text += fmt.Sprintf("e%+d", rng.IntN(30)-15)
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean, and the denominator is positive
		want := int64(maxSecond)
		if floor.IsInt64() {
			want = clamp(floor.Int64())
		} else if floor.Sign() < 0 {
			want = minSecond
		}
		if got, ok := wholeSeconds([]byte(text)); !ok || got != want {
			t.Fatalf("%s: %d %v, want %d", text, got, ok, want)
		}
	}
}

func TestCursorsSurviveTheirEncoding(t *testing.T) {
	for _, c := range []cursor{{After: "a"}, {After: "é\"\x00", First: "f", Last: "l", Mark: "m", Pages: 7}} {
		if got, err := decodeCursor(c.encode()); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v became %+v %v", c, got, err)
		}
	}
	for _, bad := range []string{"audit_log-x", "!", "e30"} {
		if _, err := decodeCursor(bad); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}

func TestABodyIsKeptWithLittleMoreMemoryThanItFills(t *testing.T) {
	for _, test := range []struct{ size, room int }{{100, 100}, {100, 150}, {100, 151}, {100, 1 << 20}, {0, 0}, {0, 512}} {
		body := append(make([]byte, 0, test.room), strings.Repeat("x", test.size)...)
		if got := tight(body); !bytes.Equal(got, body) || cap(got) > max(test.size*3/2, 64) {
			t.Errorf("%d bytes in %d: %d bytes in %d", test.size, test.room, len(got), cap(got))
		}
	}
}
