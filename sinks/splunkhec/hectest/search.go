package hectest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The searches that are understood. Anything else is answered as a fatal error.
var (
	tstats     = regexp.MustCompile(`(?i)^\s*\|\s*tstats\s+count\s+where\s+index\s*=\s*("?)([a-z0-9_*-]+)"?\s+([a-z_]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:by\s+([a-z_]+))?\s*$`)
	eventcount = regexp.MustCompile(`(?i)^\s*\|\s*eventcount\s+summarize\s*=\s*false\s+index\s*=\s*("?)([a-z0-9_*-]+)"?\s*$`)
)

// search runs one search and returns all of its results, one JSON object a line.
func (s *Server) search(q *request) reply {
	s.searches++
	if a := s.authorizeSearch(q); a != nil {
		return *a
	}
	form, err := url.ParseQuery(string(q.body))
	if err != nil || form.Get("output_mode") != "json" {
		return jsonReply(400, messages("FATAL", "this server answers JSON only"))
	}
	from, to := bound(form.Get("earliest_time"), time.Time{}), bound(form.Get("latest_time"), time.Unix(1<<40, 0))
	text := form.Get("search")
	if m := tstats.FindStringSubmatch(text); m != nil {
		return results(s.count(m[2], m[3], strings.ReplaceAll(m[4], `\`, ""), m[5], from, to))
	}
	if m := eventcount.FindStringSubmatch(text); m != nil {
		return results(s.perIndex(m[2]))
	}
	return jsonReply(400, messages("FATAL", "unknown search command"))
}

func (s *Server) authorizeSearch(q *request) *reply {
	scheme, token, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	if (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Splunk")) && token == s.config.SearchToken {
		return nil
	}
	a := jsonReply(401, messages("WARN", "call not properly authenticated"))
	return &a
}

func messages(kind, text string) map[string]any {
	return map[string]any{"messages": []map[string]string{{"type": kind, "text": text}}}
}

// bound reads a time of a search in seconds; empty: as given.
func bound(text string, otherwise time.Time) time.Time {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return otherwise
	}
	return time.UnixMilli(int64(seconds * 1000))
}

type result map[string]string

// count counts the events that can be found, per value of a field if by names one.
func (s *Server) count(index, field, value, by string, from, to time.Time) []result {
	now := s.config.Now()
	counts := make(map[string]int)
	total := 0
	for _, e := range s.events {
		// Both come from the index, and not from what is in the event.
		if e.visible.After(now) || e.at.Before(from) || !e.at.Before(to) || e.Fields[field] != value || !matches(index, e.Index) {
			continue
		}
		total++
		if v, ok := e.Fields[by]; ok {
			counts[v]++
		}
	}
	if by == "" {
		return []result{{"count": strconv.Itoa(total)}}
	}
	var rows []result
	for v, n := range counts {
		rows = append(rows, result{by: v, "count": strconv.Itoa(n)})
	}
	slices.SortFunc(rows, func(a, b result) int { return strings.Compare(a[by], b[by]) })
	return rows
}

// perIndex counts the events of each index.
func (s *Server) perIndex(index string) []result {
	var rows []result
	for _, name := range s.config.Indexes {
		if !matches(index, name) {
			continue
		}
		n := 0
		for _, e := range s.events {
			if e.Index == name {
				n++
			}
		}
		rows = append(rows, result{"index": name, "count": strconv.Itoa(n), "server": "test"})
	}
	return rows
}

func matches(pattern, name string) bool { return pattern == "*" || pattern == name }

func results(rows []result) reply {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for i, row := range rows {
		line := map[string]any{"preview": false, "offset": i, "result": row}
		if i == len(rows)-1 {
			line["lastrow"] = true
		}
		_ = e.Encode(line) // to memory
	}
	if len(rows) == 0 {
		_ = e.Encode(map[string]any{"preview": false, "lastrow": true})
	}
	return reply{status: 200, body: b.Bytes()}
}

// info says which version this is.
func (s *Server) info(q *request) reply {
	if a := s.authorizeSearch(q); a != nil {
		return *a
	}
	return jsonReply(200, map[string]any{"entry": []any{map[string]any{"content": map[string]any{"version": s.config.Version, "product_type": "enterprise"}}}})
}
