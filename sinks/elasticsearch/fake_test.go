package elasticsearch

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// fake is a node of OpenSearch in this process, as far as the sink uses one. What it
// answers is what a real one was seen to answer.
type fake struct {
	mu        sync.Mutex
	indices   map[string]map[string]json.RawMessage // documents by index and id
	streams   map[string][]string                   // backing indices, the oldest first
	templates map[string]json.RawMessage
	late      []func()
	bulks     int // requests
	creates   []int
	paths     []string

	limit  int                                      // of a request, inflated; 0: none
	verify func(r *http.Request) int                // status of a request that is refused; 0: it is not
	item   func(index, id string, doc []byte) *item // what becomes of a create instead
	before func(n int)                              // called before the nth bulk request
	fault  func(n int, r *http.Request) fault       // of the nth bulk request
}

type fault int

const (
	none fault = iota
	lost
	unanswered
	late
)

var errNetwork = errors.New("connection reset by peer")

func newFake() *fake {
	return &fake{indices: make(map[string]map[string]json.RawMessage), streams: make(map[string][]string), templates: make(map[string]json.RawMessage)}
}

// RoundTrip implements [http.RoundTripper].
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	f.mu.Lock()
	what := none
	if strings.HasPrefix(r.URL.Path, "/_bulk") {
		f.bulks++
		if f.before != nil {
			f.before(f.bulks)
		}
		if f.fault != nil {
			what = f.fault(f.bulks, r)
		}
	}
	f.mu.Unlock()
	serve := func() *http.Response {
		w := httptest.NewRecorder()
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		f.ServeHTTP(w, again)
		return w.Result()
	}
	switch what {
	case lost:
		return nil, errNetwork
	case unanswered:
		serve()
		return nil, errNetwork
	case late:
		f.mu.Lock()
		f.late = append(f.late, func() { serve() })
		f.mu.Unlock()
		return nil, errNetwork
	}
	resp := serve()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return resp, nil
}

// release lets arrive what is late.
func (f *fake) release() {
	f.mu.Lock()
	waiting := f.late
	f.late = nil
	f.mu.Unlock()
	for _, arrive := range waiting {
		arrive()
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the real one closes the connection
		}
		body = z
	}
	content, _ := io.ReadAll(body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths = append(f.paths, r.Method+" "+r.URL.Path)
	w.Header().Set("X-OpenSearch-Version", "OpenSearch/3.4.0 (opensearch)")
	if f.verify != nil {
		if status := f.verify(r); status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, "Unauthorized")
			return
		}
	}
	switch p := r.URL.Path; {
	case f.limit > 0 && len(content) > f.limit:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case p == "/":
		fmt.Fprint(w, `{"name":"node-1","version":{"distribution":"opensearch","number":"3.4.0"},"tagline":"The OpenSearch Project"}`)
	case p == "/_bulk" && r.Method == http.MethodPost:
		f.bulk(w, r, content)
	case p == "/_mget":
		f.mget(w, content)
	case strings.HasPrefix(p, "/_index_template"):
		f.template(w, r, strings.TrimPrefix(strings.TrimPrefix(p, "/_index_template"), "/"), content)
	case strings.HasPrefix(p, "/_data_stream/"):
		f.stream(w, strings.TrimPrefix(p, "/_data_stream/"))
	case strings.Contains(p, "/_settings/"):
		fmt.Fprint(w, `{}`)
	default:
		failWith(w, http.StatusBadRequest, "illegal_argument_exception")
	}
}

func failWith(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"root_cause":[{"type":%q,"reason":"secret words of a document"}],"type":%[1]q,"reason":"secret words of a document"},"status":%d}`, kind, status)
}

type action struct {
	Index string `json:"_index"`
	ID    string `json:"_id"`
}

func (f *fake) bulk(w http.ResponseWriter, r *http.Request, content []byte) {
	switch t := r.Header.Get("Content-Type"); {
	case t != "application/x-ndjson" && t != "application/json":
		failWith(w, http.StatusNotAcceptable, "content_type_header_exception")
		return
	case len(content) == 0 || content[len(content)-1] != '\n':
		failWith(w, http.StatusBadRequest, "illegal_argument_exception")
		return
	}
	lines := bytes.Split(content[:len(content)-1], []byte{'\n'})
	var items []map[string]*item
	var apply []func()
	for i := 0; i < len(lines); i++ {
		var act map[string]action
		if json.Unmarshal(lines[i], &act) != nil || len(act) != 1 {
			failWith(w, http.StatusBadRequest, "illegal_argument_exception")
			return
		}
		for kind, a := range act {
			if len(a.ID) > 512 {
				failWith(w, http.StatusBadRequest, "action_request_validation_exception")
				return
			}
			it := new(item)
			items = append(items, map[string]*item{kind: it})
			if kind == "delete" {
				apply = append(apply, func() { f.delete(a, it) })
				continue
			}
			if i++; kind != "create" || i == len(lines) {
				failWith(w, http.StatusBadRequest, "illegal_argument_exception")
				return
			}
			doc := bytes.Clone(lines[i])
			apply = append(apply, func() { f.create(a, doc, it) })
		}
	}
	for _, do := range apply {
		do()
	}
	f.creates = append(f.creates, len(items))
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

func (f *fake) create(a action, doc []byte, it *item) {
	*it = item{Index: a.Index, ID: a.ID}
	if f.item != nil {
		if other := f.item(a.Index, a.ID, doc); other != nil {
			if *it = *other; it.Index == "" {
				it.Index, it.ID = a.Index, a.ID
			}
			return
		}
	}
	if strings.HasPrefix(a.Index, "logs-") {
		if len(f.streams[a.Index]) == 0 {
			f.rollover(a.Index)
		}
		it.Index = f.streams[a.Index][len(f.streams[a.Index])-1]
	}
	if !json.Valid(doc) || doc[0] != '{' {
		it.Status, it.Error.Type = 400, "mapper_parsing_exception"
		return
	}
	docs := f.indices[it.Index]
	if docs == nil {
		docs = make(map[string]json.RawMessage)
		f.indices[it.Index] = docs
	}
	if docs[a.ID] != nil {
		it.Status, it.Error.Type = 409, errConflict
		return
	}
	docs[a.ID], it.Status, it.Result = doc, 201, resultCreated
}

func (f *fake) delete(a action, it *item) {
	*it = item{Index: a.Index, ID: a.ID, Status: 404}
	if f.indices[a.Index][a.ID] != nil {
		delete(f.indices[a.Index], a.ID)
		it.Status = 200
	}
}

// rollover adds a backing index to the stream; the caller holds mu.
func (f *fake) rollover(stream string) {
	f.streams[stream] = append(f.streams[stream], fmt.Sprintf(".ds-%s-%06d", stream, len(f.streams[stream])+1))
}

func (f *fake) mget(w http.ResponseWriter, content []byte) {
	var ask struct{ Docs []action }
	if json.Unmarshal(content, &ask) != nil {
		failWith(w, http.StatusBadRequest, "parse_exception")
		return
	}
	docs := []map[string]any{}
	for _, a := range ask.Docs {
		docs = append(docs, map[string]any{"_id": a.ID, "found": f.indices[a.Index][a.ID] != nil})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"docs": docs})
}

func (f *fake) template(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	if r.Method == http.MethodPut {
		f.templates[name] = content
		fmt.Fprint(w, `{"acknowledged":true}`)
		return
	}
	list := []map[string]any{}
	for _, n := range slices.Sorted(maps.Keys(f.templates)) {
		if name == "" || n == name {
			list = append(list, map[string]any{"name": n, "index_template": f.templates[n]})
		}
	}
	if name != "" && len(list) == 0 {
		failWith(w, http.StatusNotFound, "resource_not_found_exception")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"index_templates": list})
}

func (f *fake) stream(w http.ResponseWriter, name string) {
	if len(f.streams[name]) == 0 {
		failWith(w, http.StatusNotFound, "index_not_found_exception")
		return
	}
	indices := []map[string]any{}
	for _, index := range f.streams[name] {
		indices = append(indices, map[string]any{"index_name": index})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data_streams": []any{map[string]any{"name": name, "indices": indices}}})
}

// documents returns all documents by index and id.
func (f *fake) documents() map[string]map[string]json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]map[string]json.RawMessage)
	for index, docs := range f.indices {
		all[index] = maps.Clone(docs)
	}
	return all
}

// copies counts documents by id.
func (f *fake) copies() map[string]int {
	n := make(map[string]int)
	for _, docs := range f.documents() {
		for id := range docs {
			n[id]++
		}
	}
	return n
}
