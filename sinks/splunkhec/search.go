package splunkhec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

const (
	pathSearch = "/services/search/jobs/export"
	pathInfo   = "/services/server/info"
)

// Resolve implements [pipeline.Sink]. What can be found is there. What cannot is
// absent once the number found has not changed for search.settle; before that the
// error says how long to wait. Without a search nobody knows.
func (s *sink) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	p := s.follow(&m)
	if len(p.pending) > 0 {
		// Whatever becomes of it, the search below has the last word.
		if err := s.askAcks(ctx, p); err != nil && ctx.Err() != nil {
			return pipeline.OutcomeUnknown, ctx.Err()
		}
	}
	if p.left == 0 {
		return pipeline.OutcomeCommitted, p.verdict()
	}
	if s.config.Search.URL == "" {
		return pipeline.OutcomeUnknown, nil
	}
	there, err := s.find(ctx, &m)
	if err != nil {
		return pipeline.OutcomeUnknown, fmt.Errorf("search for the batch: %w", err)
	}
	found := 0
	for i, member := range m.Members {
		if there[strings.ToValidUTF8(member.ID, "\uFFFD")] {
			found++
			p.finish(i)
		}
	}
	p.tidy()
	if p.left == 0 {
		return pipeline.OutcomeCommitted, p.verdict()
	}
	now := s.now()
	if !p.watched || found != p.found {
		p.watched, p.found, p.since = true, found, now
	}
	settle := s.config.Search.Settle
	if rest := settle - now.Sub(p.since); rest > 0 {
		return pipeline.OutcomeUnknown, &pipeline.ThrottledError{
			Err:   fmt.Errorf("%d of %d events can be found, and the others may still be on their way: waiting for search.settle (%s)", found, len(m.Members), settle),
			After: min(rest, max(settle/10, time.Second)),
		}
	}
	return pipeline.OutcomeAbsent, nil
}

// find returns the ids of the events of m that can be found.
func (s *sink) find(ctx context.Context, m *pipeline.Manifest) (map[string]bool, error) {
	from, to := span(m)
	rows, err := s.search(ctx, batchSearch(m.Place, m.ID.String()), from, to)
	if err != nil {
		return nil, err
	}
	there := make(map[string]bool, len(rows))
	for _, row := range rows {
		there[row["event_id"]] = true
	}
	return there, nil
}

// batchSearch looks up a batch in the index alone; no event is read.
func batchSearch(index, batch string) string {
	where := "index=*"
	if index != "" {
		where = `index="` + index + `"`
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(batch)
	return `| tstats count WHERE ` + where + ` batch_id="` + quoted + `" BY event_id`
}

// search runs a search over a span of event time (zero: all of it) and returns its
// results.
func (s *sink) search(ctx context.Context, query string, from, to time.Time) ([]map[string]string, error) {
	form := url.Values{"search": {query}, "output_mode": {"json"}, "preview": {"false"}, "exec_mode": {"blocking"}}
	if !to.IsZero() {
		form.Set("earliest_time", strconv.FormatInt(from.Unix(), 10))
		form.Set("latest_time", strconv.FormatInt(to.Unix(), 10))
	}
	resp, err := s.askSearch(ctx, post, pathSearch, []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	return readResults(resp.Body)
}

// askSearch sends a request to the search head and returns an answer that is a 200.
func (s *sink) askSearch(ctx context.Context, method, path string, body []byte) (*httpclient.Response, error) {
	token, err := s.searcher.get()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(s.config.Search.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	err = resp.Err()
	switch {
	case errors.Is(err, pipeline.ErrRefused) && s.searcher.refuse():
		return nil, clean(fmt.Errorf("%w; %s holds another token by now, which is used from here on", errOf(resp), s.searcher.secret.Source()))
	case errors.Is(err, pipeline.ErrRefused):
		return nil, fmt.Errorf("%w; search.token has to be an authentication token of a user who may search the index", err)
	case resp.Status == http.StatusNotFound:
		return nil, fmt.Errorf("%w; is search.url the management port, 8089?", err)
	case err != nil:
		return nil, err
	case resp.Status != http.StatusOK:
		return nil, errOf(resp)
	}
	return resp, nil
}

// errOf is an answer as an error of no class.
func errOf(resp *httpclient.Response) error {
	return &httpclient.StatusError{Status: resp.Status, Message: resp.Message()}
}

// readResults reads the results of an export, one JSON object after the other. What
// a search says about itself beside its results makes them incomplete: an error.
func readResults(body []byte) ([]map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	var rows []map[string]string
	for {
		var line struct {
			Result   map[string]any
			Messages []struct{ Type, Text string }
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		for _, m := range line.Messages {
			if t := strings.ToUpper(m.Type); t != "INFO" && t != "DEBUG" {
				return nil, fmt.Errorf("the search says %s: %s", t, httpclient.Short(m.Text))
			}
		}
		if line.Result == nil {
			continue
		}
		row := make(map[string]string, len(line.Result))
		for k, v := range line.Result {
			if text, ok := v.(string); ok {
				row[k] = text
			}
		}
		rows = append(rows, row)
	}
}
