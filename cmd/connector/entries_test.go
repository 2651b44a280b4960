package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readEntries returns the entries of text as "line:entry", and what is wrong with
// it as "line!problem", read in pieces of the given size.
func readEntries(text string, piece int) (got []string, err error) {
	r := newEntryReader(strings.NewReader(text))
	if piece > 0 {
		r.room = make([]byte, piece)
	}
	r.each = func(entry []byte, line int) error {
		got = append(got, fmt.Sprintf("%d:%s", line, entry))
		return nil
	}
	r.bad = func(line int, err error) { got = append(got, fmt.Sprintf("%d!%v", line, err)) }
	return got, r.all()
}

func TestEntriesAreFound(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", " \n\n", nil},
		{"lines", "{\"a\":1}\n\n {\"b\":[1,{\"c\":\"}\"}]} \r\n{}", []string{`1:{"a":1}`, `3:{"b":[1,{"c":"}"}]}`, `4:{}`}},
		{"no line between", `{"a":1}{"b":2}`, []string{`1:{"a":1}`, `1:{"b":2}`}},
		{"a byte order mark", "\xEF\xBB\xBF{\"a\":1}\n", []string{`1:{"a":1}`}},
		{"over several lines", "{\n \"a\": \"\\\"{\",\n \"b\": []\n}\n{}", []string{"1:{\n \"a\": \"\\\"{\",\n \"b\": []\n}", "5:{}"}},
		{"a page", `{"object":"list","data":[{"a":1},{"b":2}],"has_more":true,"last_id":"x"}` + "\n{}", []string{`1:{"a":1}`, `1:{"b":2}`, `2:{}`}},
		{"a page over lines", "{\n\"object\":\"list\",\n\"data\": [\n{\"a\":1},\n{\"b\":\n2}\n],\n\"has_more\":false\n}", []string{`4:{"a":1}`, "5:{\"b\":\n2}"}},
		{"an empty page", `{"object":"list","data":[],"has_more":false}`, nil},
		{"data that is no list", `{"data":{"a":[]}}`, []string{`1:{"data":{"a":[]}}`}},
		{"a list further down", `{"x":{"data":[1]}}`, []string{`1:{"x":{"data":[1]}}`}},
		{"an array", "[{\"a\":1}, {\"b\":2}]\n[]", []string{`1:{"a":1}`, `1:{"b":2}`}},

		{"a line that is no JSON", "{\"a\":1}\nhello\n\"b\"\n{\"c\":1}\n", []string{`1:{"a":1}`, `2!not an entry: want an object`, `3!not an entry: want an object`, `4:{"c":1}`}},
		{"a line that is cut off in a string", "{\"a\":\"x\nhello\n{\"b\":1}\n", []string{`1!not JSON: the line ends within a string`, `2!not an entry: want an object`, `3:{"b":1}`}},
		{"a line that is cut off elsewhere", "{\"a\":1,\n{\"b\":1}\nhello\n{\"c\":1}\n", []string{`1!not JSON: want a name (on line 2)`, `2:{"b":1}`, `3!not an entry: want an object`, `4:{"c":1}`}},
		{"the end is cut off", "{\"a\":1}\n{\"b\":", []string{`1:{"a":1}`, `2!it is cut off: the text ends within it`}},
		{"commas that are not there", `{"a":1 "b":2}` + "\n{}", []string{`1!not JSON: want a comma or }`, `2:{}`}},
		{"commas too many", "{\"a\":1,}\n[,]\n[1,]\n{\"a\":[,]}\n", []string{
			`1!not JSON: want a name`, `2!not JSON: want a value`, `3!not an entry: want an object`, `3!not JSON: want a value`, `4!not JSON: want a value`,
		}},
		{"what is in a list and no entry", "[1,{\"a\":1},\"x\"]", []string{`1!not an entry: want an object`, `1:{"a":1}`, `1!not an entry: want an object`}},
		{"a broken entry in a list over lines", "[\n {\"a\":1},\n {\"b\" 2},\n {\"c\":3},\n {\"d\":\n4}\n]\n{\"e\":5}", []string{
			`2:{"a":1}`, `1!not JSON: want a colon (on line 3)`, `4:{"c":3}`, "5:{\"d\":\n4}", `8:{"e":5}`,
		}},
		{"a broken page over lines", "{\"data\":[\n{\"a\":1},\n{\"b\":x y},\n{\"c\":3}\n],\n\"has_more\":true,\n\"last_id\":\"c\"}\n{\"e\":5}\nhello", []string{
			`2:{"a":1}`, `1!not JSON: want a comma or } (on line 3)`, `4:{"c":3}`, `8:{"e":5}`, `9!not an entry: want an object`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, piece := range []int{0, 1, 7} {
				if c.text[:min(1, len(c.text))] == "\xEF" && piece == 1 {
					continue // a mark comes in one piece
				}
				if got, err := readEntries(c.text, piece); err != nil || !slices.Equal(got, c.want) {
					t.Errorf("in pieces of %d: %v\ngot  %q\nwant %q", piece, err, got, c.want)
				}
			}
		})
	}
}

func TestHostileEntriesAreBounded(t *testing.T) {
	deep := strings.Repeat("[", maxNest+2)
	for name, text := range map[string]string{"nesting": `{"a":` + deep + "\n{}", "nesting of objects": `{"a":` + strings.Repeat(`{"b":`, maxNest+2) + "\n{}"} {
		got, err := readEntries(text, 0)
		if err != nil || len(got) != 2 || !strings.Contains(got[0], "nested deeper") || got[1] != "2:{}" {
			t.Errorf("%s: %v, %.300q", name, err, got)
		}
	}
	// More than an entry may have, which nobody holds in memory.
	r := newEntryReader(io.MultiReader(strings.NewReader(`{"a":"`), io.LimitReader(repeated('x'), 4<<20), strings.NewReader("\"}\n{}")))
	r.limit = 1 << 20
	var got []string
	r.each = func(entry []byte, _ int) error { got = append(got, string(entry)); return nil }
	r.bad = func(_ int, err error) { got = append(got, err.Error()) }
	if err := r.all(); err != nil || !slices.Equal(got, []string{"an entry of more than 1048576 bytes", "{}"}) {
		t.Errorf("%v, %.200q", err, got)
	}
}

type repeated byte

func (c repeated) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c)
	}
	return len(b), nil
}

func TestErrorsOfReadingEndIt(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, text := range []string{"", `{"a":`, `{"a":"x`, "garbage", "[{}", `{"a":1} `} {
		r := newEntryReader(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		r.each = func([]byte, int) error { return nil }
		r.bad = func(int, error) {}
		if err := r.all(); !errors.Is(err, broken) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestEntriesOfRandomJSON writes random entries in random forms and expects each
// back, with encoding/json as the judge of what they are.
func TestEntriesOfRandomJSON(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var text bytes.Buffer
		var want []string
		for range rnd.IntN(5) {
			list := rnd.IntN(3) == 0
			var entries []any
			for range 1 + rnd.IntN(3) {
				e := map[string]any{"id": rnd.IntN(100), "v": randomValue(rnd, 4)}
				b, _ := json.Marshal(e)
				want = append(want, string(b))
				if entries = append(entries, e); !list {
					break
				}
			}
			var doc any = entries[0]
			if list {
				doc = entries
				if rnd.IntN(2) == 0 {
					doc = map[string]any{"data": entries, "has_more": false, "object": "list"}
				}
			}
			b, _ := json.Marshal(doc)
			if rnd.IntN(2) == 0 {
				b, _ = json.MarshalIndent(doc, "", " ")
			}
			text.Write(append(b, '\n'))
		}
		got, err := readEntries(text.String(), 1+rnd.IntN(40))
		for i := range got {
			_, entry, _ := strings.Cut(got[i], ":")
			var v any
			if err := json.Unmarshal([]byte(entry), &v); err != nil {
				t.Fatalf("%v: %s\n%s", err, got[i], &text)
			}
			b, _ := json.Marshal(v)
			got[i] = string(b)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v\ngot  %q\nwant %q\n%s", err, got, want, &text)
		}
	}
}

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(7); {
	case n == 0:
		return nil
	case n == 1:
		return r.Float64()
	case n == 2:
		return r.IntN(2) == 0
	case n == 3 || depth == 0:
		return strings.Repeat("a\"\\\n{[,]}:é\u2028", r.IntN(3))
	case n == 4:
		list := make([]any, r.IntN(3))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	}
	m := make(map[string]any)
	for range r.IntN(3) {
		m[fmt.Sprint("k", r.IntN(9))] = randomValue(r, depth-1)
	}
	return m
}

func FuzzEntries(f *testing.F) {
	f.Add("{\"a\":1}\n[{}]\n{\"data\":[{}]}", 3)
	f.Add("{\"a\":\"\n{", 1)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		got, err := readEntries(text, max(1, min(piece, 1000)))
		again, _ := readEntries(text, 0)
		if err != nil || !strings.HasPrefix(text, "\xEF") && !slices.Equal(got, again) {
			t.Fatalf("%v\nin pieces %q\nwhole     %q", err, got, again)
		}
		if len(got) > 2*len(text)+1 {
			t.Fatalf("%d findings in %d bytes", len(got), len(text))
		}
	})
}
