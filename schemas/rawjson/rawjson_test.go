package rawjson

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// same fails unless the package reads b as encoding/json does.
func same(t testing.TB, b []byte) {
	t.Helper()
	depth, _, err := Check(b)
	doc, err2 := Parse(b)
	if valid := json.Valid(b); (err == nil) != valid || (err2 == nil) != valid {
		t.Fatalf("%.300q: Check %v, Parse %v, encoding/json %v", b, err, err2, valid)
	}
	if err != nil {
		return
	}
	var want bytes.Buffer
	if err := json.Compact(&want, b); err != nil {
		t.Fatal(err)
	}
	if got := AppendCompact(nil, b); !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%.300q: compact\n got %q\nwant %q", b, got, want.Bytes())
	}
	if doc.ValidUTF8() != utf8.Valid(b) || depth > MaxDepth {
		t.Fatalf("%.300q: UTF-8 %v, depth %d", b, doc.ValidUTF8(), depth)
	}
	sameValue(t, doc.Root(), b, 0)
}

// sameValue compares v with what encoding/json finds in text.
func sameValue(t testing.TB, v Value, text []byte, depth int) {
	t.Helper()
	text = bytes.Trim(text, " \t\r\n")
	if !bytes.Equal(v.Bytes(), text) {
		t.Fatalf("value is %q, want %q", v.Bytes(), text)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(compact.String(), "\uFFFD"); v.Compact() != want && utf8.Valid(text) {
		t.Fatalf("compact is %q, want %q", v.Compact(), want)
	}
	if !utf8.ValidString(v.Compact()) || !utf8.Valid(v.ValidBytes()) || !json.Valid([]byte(v.Compact())) {
		t.Fatalf("compact %q of %q is not valid", v.Compact(), text)
	}
	switch v.Kind() {
	case Array:
		var want []json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if depth == noted {
			return
		}
		i := 0
		for c := v.First(); c.Kind() != Invalid; c = c.Next(v) {
			sameValue(t, c, want[i], depth+1)
			i++
		}
		if i != len(want) {
			t.Fatalf("%d elements, want %d", i, len(want))
		}
	case Object:
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if depth == noted {
			return
		}
		for c := v.First(); c.Kind() != Invalid; c = c.Next(v) {
			if _, ok := want[c.Key()]; !ok {
				t.Fatalf("member %q, want one of %q", c.Key(), want)
			}
		}
		for name, text := range want {
			sameValue(t, v.Get(name), text, depth+1)
		}
	case String:
		var want string
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if v.Text() != want || !v.Is(want) {
			t.Fatalf("string %q is %q, want %q", text, v.Text(), want)
		}
	case Number, Bool:
		if v.Text() != string(text) {
			t.Fatalf("%s is %q", text, v.Text())
		}
	case Null:
		if v.Text() != "" || v.Exists() || v.Is("") {
			t.Fatalf("null is %q", v.Text())
		}
	default:
		t.Fatalf("kind %d of %q", v.Kind(), text)
	}
}

// texts are the corners of the grammar, and near misses.
var texts = []string{
	``, ` `, `null`, `nul`, `nulll`, `true`, `false`, `tru`, `[]`, `{}`, ` [ ] `, ` { } `, `[`, `{`, `]`, `}`, `[}`, `{]`, `[[]`, `[]]`,
	`0`, `-0`, `00`, `01`, `-`, `-a`, `1.`, `.1`, `1.5`, `1e`, `1e5`, `1E+5`, `1e-`, `1e+`, `+1`, `0x1`, `NaN`, `-0.0e-0`, `123456789012345678901234567890`,
	`""`, `"`, `"a`, `"\"`, `"\\"`, `"\/\b\f\n\r\t\""`, `"\a"`, `"\u12"`, `"\u00e9"`, `"\uD83D\uDD0E"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\udd0e\ud83d"`, `"\ud83d\ud83d\udd0e"`, `"\uZZZZ"`, "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\n\"",
	"\"\xff\"", "\"a\xc3\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x94\x8e\"", "\"\xe2\x80\xa8\"", "\xff", "\xef\xbb\xbf{}", "{\"\xff\":1}", "{\"\xff\":1,\"\xfe\":2}", "{\"\\ufffd\":1,\"\xff\":2}",
	`{"a":1}`, `{"a" : 1 , "b":[ ]}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{1:2}`, `{"a":1 "b":2}`, `{'a':1}`, `{"a":1}{"a":2}`, `{"a":1} x`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `{"a":1`, `{"a":`, `{"a"`, `{"`,
	`{"a":1,"a":2}`, `{"a":{"x":1},"a":{"y":2}}`, `{"\u0061":1,"a":2}`, `{"a":2,"\u0061":1}`, `{"":1}`, `{"a.b":{"c":1}}`,
	`[[[[[[[[1,[2,{"a":3}]]]]]]]]]`, `{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1},"b":2}}}}}}}}}}`, "\v1", "1\f", "[1,\u00a02]", `// x`,
}

func TestReadsWhatEncodingJSONReads(t *testing.T) {
	for _, s := range texts {
		same(t, []byte(s))
	}
}

func TestReadsRandomDocuments(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 800 {
		b := appendRandom(nil, r, 0)
		same(t, b)
		// The same with a byte changed, cut or added.
		i := r.IntN(len(b))
		changed := bytes.Clone(b)
		changed[i] = byte(r.IntN(256))
		same(t, changed)
		same(t, b[:i])
		same(t, append(b[:i:i], b[min(i+1+r.IntN(3), len(b)):]...))
	}
}

func appendRandom(b []byte, r *rand.Rand, depth int) []byte {
	space := func() {
		for r.IntN(4) == 0 {
			b = append(b, " \t\r\n"[r.IntN(4)])
		}
	}
	space()
	switch n := r.IntN(9); {
	case n < 2 && depth < 12:
		b = append(b, '[')
		for i := range r.IntN(5) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendRandom(b, r, depth+1)
		}
		space()
		b = append(b, ']')
	case n < 5 && depth < 12:
		b = append(b, '{')
		for i := range r.IntN(5) {
			if i > 0 {
				b = append(b, ',')
			}
			space()
			b = appendRandomString(b, r, 2)
			space()
			b = append(b, ':')
			b = appendRandom(b, r, depth+1)
		}
		space()
		b = append(b, '}')
	case n == 5:
		b = append(b, []string{"0", "-1", "1.50", "1E+9", "-0.0e-10", "9223372036854775808"}[r.IntN(6)]...)
	case n == 6:
		b = append(b, []string{"true", "false", "null"}[r.IntN(3)]...)
	default:
		b = appendRandomString(b, r, 8)
	}
	space()
	return b
}

func appendRandomString(b []byte, r *rand.Rand, most int) []byte {
	parts := []string{"a", "b", " ", "é", "🔎", `\"`, `\\`, `\/`, `\n`, `\u00e9`, `\ud83d\udd0e`, `\ud83d`, "\xff", "\xe2\x80", "{", "]", ","}
	b = append(b, '"')
	for range r.IntN(most) {
		b = append(b, parts[r.IntN(len(parts))]...)
	}
	return append(b, '"')
}

func TestDepth(t *testing.T) {
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	for _, n := range []int{1, noted, noted + 1, noted + 2, 1000, MaxDepth, MaxDepth + 1} {
		same(t, deep(n))
	}
	if depth, _, err := Check(deep(MaxDepth)); err != nil || depth != MaxDepth {
		t.Errorf("depth %d, %v", depth, err)
	}
	objects := []byte(strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000))
	same(t, objects)
	same(t, bytes.Repeat([]byte("["), 1<<20))
	doc, err := Parse(objects)
	if err != nil || len(doc.nodes) > noted+2 {
		t.Errorf("%d nodes for hostile nesting, %v", len(doc.nodes), err)
	}
}

func TestErrorsSayWhereAndNotWhat(t *testing.T) {
	for text, want := range map[string]string{
		`{"secret": x}`:   "want a value at offset 11",
		`{"secret": 1 2}`: "want a comma or the closing bracket at offset 13",
		`[1] 2`:           "goes on after the value at offset 4",
		`{"secret`:        "text ends early",
	} {
		if _, _, err := Check([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestNothingComesOfNothing(t *testing.T) {
	var v Value
	if v.Get("a").Exists() || v.First().Exists() || v.Next(v).Exists() || v.Text() != "" || v.Key() != "" ||
		v.Bytes() != nil || v.Compact() != "" || v.Is("") || (&Doc{}).Root().Exists() {
		t.Error("the zero value has something in it")
	}
}

func TestStringsOutliveTheDocument(t *testing.T) {
	src := []byte(`{"a":"one","b":"\u0074wo"}`)
	doc, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	a, b := doc.Root().Get("a").Text(), doc.Root().Get("b").Text()
	doc.Clear()
	if err := doc.Reset(bytes.Repeat([]byte(" "), len(src)-1)); err == nil {
		t.Fatal("white space is a document")
	}
	for i := range src {
		src[i] = 'x'
	}
	if a != "one" || b != "two" {
		t.Errorf("strings became %q, %q", a, b)
	}
}

func FuzzReadsWhatEncodingJSONReads(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { same(t, b) })
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "a", "\"\\/\n\r\t\b\x00\x1f\x7f", "é🔎\u2028", "a\xffb\xe2\x80c", "\xff", "\uFFFD"} {
		got := AppendString([]byte("x"), s)
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil || back != strings.ToValidUTF8(s, "\uFFFD") && utf8.ValidString(s) {
			t.Errorf("%q: %s, %v", s, got, err)
		}
		if !utf8.Valid(got) || strings.ContainsAny(string(got), "\n\r") {
			t.Errorf("%q: %q", s, got)
		}
	}
}

func TestSpecialBytesAreFoundWhereverTheyLie(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := bytes.Repeat([]byte("a"), 20)
			b[at] = byte(c)
			for _, tail := range []string{"", "\"", "\x00", "\xff"} {
				text := append(bytes.Clone(b), tail...)
				want := slices.IndexFunc(text, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' })
				if want < 0 {
					want = len(text)
				}
				if got := Special(text, 0); got != want {
					t.Fatalf("Special(%q) is %d, want %d", text, got, want)
				}
				want = slices.IndexFunc(text, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' || c >= 0x80 })
				if want < 0 {
					want = len(text)
				}
				if got := plainASCII(string(text), 0); got != want {
					t.Fatalf("plainASCII(%q) is %d, want %d", text, got, want)
				}
			}
		}
	}
}
