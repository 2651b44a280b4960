package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/rawjson"
)

// lookUpSize is how many documents are asked for in one request.
const lookUpSize = 1000

// lookUp asks every backing index of the stream which of records it has. An id is
// refused within one backing index only, so a record that was created before the
// stream rolled over would be created again. What is there is confirmed; what is
// there twice is taken out where it came last.
func (s *sink) lookUp(ctx context.Context, p *progress, records []int) error {
	indices, err := s.backing(ctx)
	if err != nil {
		return fmt.Errorf("look up what is in doubt: %w", err)
	}
	if len(indices) == 0 {
		p.write = ""
		return nil // the stream is not there yet
	}
	found := make(map[int]string) // the oldest index that has it
	var extra piece               // deletes of the others
	for _, index := range indices {
		for chunk := range slices.Chunk(records, lookUpSize) {
			there, err := s.which(ctx, p, index, chunk)
			if err != nil {
				return fmt.Errorf("look up what is in doubt: %w", err)
			}
			for _, i := range there {
				if found[i] == "" {
					found[i] = index
					continue
				}
				extra.records = append(extra.records, i)
				extra.body = appendDelete(extra.body, index, p.ids[i])
			}
		}
	}
	if len(extra.records) > 0 {
		if err := s.delete(ctx, &extra); err != nil {
			return fmt.Errorf("delete what the stream has twice: %w", err)
		}
		s.log.Info("documents that were created again after a rollover are taken out", "lane", s.lane, "events", len(extra.records))
	}
	for i := range found {
		p.confirm(i)
	}
	p.write = indices[len(indices)-1]
	return nil
}

// backing returns the stream's indices, the oldest first; none if it is not there.
func (s *sink) backing(ctx context.Context) ([]string, error) {
	var answer struct {
		Streams []struct {
			Indices []struct {
				Name string `json:"index_name"`
			} `json:"indices"`
		} `json:"data_streams"`
	}
	found, err := s.askJSON(ctx, call{method: http.MethodGet, path: "/_data_stream/" + s.target.stream}, &answer)
	if err != nil || !found || len(answer.Streams) == 0 {
		return nil, err
	}
	var names []string
	for _, index := range answer.Streams[0].Indices {
		names = append(names, index.Name)
	}
	return names, nil
}

// which returns those of records that index has, also such as no search finds yet.
func (s *sink) which(ctx context.Context, p *progress, index string, records []int) ([]int, error) {
	body := []byte(`{"docs":[`)
	for n, i := range records {
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"_index":`...)
		body = rawjson.AppendString(body, index)
		body = append(body, `,"_id":`...)
		body = append(rawjson.AppendString(body, p.ids[i]), '}')
	}
	body = append(body, "]}"...)
	var answer struct {
		Docs []struct {
			ID    string `json:"_id"`
			Found bool   `json:"found"`
			Error *struct {
				Type string `json:"type"`
			} `json:"error"`
		} `json:"docs"`
	}
	const path = "/_mget?_source=false&filter_path=docs._id,docs.found,docs.error.type"
	found, err := s.askJSON(ctx, call{method: http.MethodPost, path: path, body: body, content: typeJSON}, &answer)
	switch {
	case err != nil:
		return nil, err
	case !found || len(answer.Docs) != len(records):
		return nil, errNotServer
	}
	var there []int
	for n, i := range records {
		switch d := answer.Docs[n]; {
		case d.ID != p.ids[i]:
			return nil, errNotServer
		case d.Error != nil && d.Error.Type == errPrivilege:
			return nil, pipeline.Permanent(fmt.Errorf("%w: the API key or user may not read %s, which a data stream needs", pipeline.ErrRefused, index))
		case d.Error != nil && d.Error.Type != errMissing: // deleted meanwhile, by age
			return nil, fmt.Errorf("index %s: %s", index, httpclient.Short(d.Error.Type))
		case d.Found:
			there = append(there, i)
		}
	}
	return there, nil
}

func appendDelete(dst []byte, index, id string) []byte {
	dst = append(dst, `{"delete":{"_index":`...)
	dst = rawjson.AppendString(dst, index)
	dst = append(dst, `,"_id":`...)
	return append(rawjson.AppendString(dst, id), "}}\n"...)
}

// delete takes documents out of backing indices.
func (s *sink) delete(ctx context.Context, pc *piece) error {
	const path = "/_bulk?timeout=" + serverWait + "&filter_path=items.*.status,items.*.error.type"
	resp, err := s.ask(ctx, call{method: http.MethodPost, path: path, body: pc.body, content: typeLines})
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return s.classify(resp)
	}
	var a struct {
		Items []struct {
			Delete *item `json:"delete"`
		} `json:"items"`
	}
	if json.Unmarshal(resp.Body, &a) != nil || len(a.Items) != len(pc.records) {
		return errNotServer
	}
	for _, entry := range a.Items {
		switch it := entry.Delete; {
		case it == nil:
			return errNotServer
		case it.Status == http.StatusOK, it.Status == http.StatusNotFound && it.Error.Type == "":
		case refused(it.Status):
			return pipeline.Permanent(fmt.Errorf("%w: the API key or user may not delete in stream %s: HTTP %d %s",
				pipeline.ErrRefused, s.target.stream, it.Status, httpclient.Short(it.Error.Type)))
		default:
			return fmt.Errorf("HTTP %d %s", it.Status, httpclient.Short(it.Error.Type))
		}
	}
	return nil
}
