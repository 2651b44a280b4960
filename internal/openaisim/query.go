package openaisim

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is a request for a page, understood.
type query struct {
	stream        streamID
	from, to      int64 // bounds of effective_at, both inclusive
	limit         int
	after, before string // cursors; empty: none
	ascending     bool
	types         []string
	projects      []string
	actors        []string
	emails        []string
	resources     []string
}

// filtered reports whether bodies have to be looked into.
func (q *query) filtered() bool {
	return len(q.projects)+len(q.actors)+len(q.emails)+len(q.resources) > 0
}

const maxLimit, defaultLimit = 100, 20

// parseQuery understands the parameters of a request, or says what is wrong.
func parseQuery(cfg *Config, raw string) (*query, *apiError) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badParameter("", "The query string cannot be parsed: %v.", err)
	}
	q := &query{from: math.MinInt64, to: math.MaxInt64, limit: defaultLimit, ascending: cfg.Order == OrderOldest}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if bad := q.set(cfg, name, values[name]); bad != nil {
			return nil, bad
		}
	}
	if q.stream == streamTenant {
		for _, t := range q.types {
			if !tenantScoped(t) {
				return nil, badParameter("event_types", "With tenant_only all event types must be tenant-scoped; %q is not.", t)
			}
		}
	}
	return q, nil
}

// set takes one parameter.
func (q *query) set(cfg *Config, name string, values []string) *apiError {
	switch name {
	case "project_ids[]":
		q.projects = values
		return nil
	case "event_types[]":
		q.types = values
		return nil
	case "actor_ids[]":
		q.actors = values
		return nil
	case "actor_emails[]":
		q.emails = values
		return nil
	case "resource_ids[]":
		q.resources = values
		return nil
	}
	known := slices.Contains([]string{"limit", "after", "before", "effective_at[gt]", "effective_at[gte]", "effective_at[lt]", "effective_at[lte]"}, name) ||
		name == "order" && cfg.Order == OrderHonoured || name == "tenant_only" && !cfg.TenantIgnored
	if !known {
		if cfg.RejectUnknown {
			bad := badParameter(name, "Unknown parameter: '%s'.", name)
			bad.code = "unknown_parameter"
			return bad
		}
		return nil
	}
	if len(values) > 1 {
		return badParameter(name, "'%s' is given %d times.", name, len(values))
	}
	return q.setOne(cfg, name, values[0])
}

// setOne takes a parameter that can be given once.
func (q *query) setOne(cfg *Config, name, value string) *apiError {
	if bound, ok := strings.CutPrefix(name, "effective_at["); ok {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return badParameter("effective_at", "Invalid '%s': want Unix seconds, got %q.", name, value)
		}
		q.bound(bound, n)
		return nil
	}
	switch name {
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxLimit {
			return badParameter(name, "Invalid 'limit': want an integer from 1 to %d, got %q.", maxLimit, value)
		}
		q.limit = n
	case "after", "before":
		if value == "" {
			return badParameter(name, "Invalid '%s': it is empty.", name)
		}
		if name == "after" || cfg.Before == BeforeOlder {
			q.after = value
		} else {
			q.before = value
		}
	case "tenant_only":
		switch value {
		case "true":
			q.stream = streamTenant
		case "false":
		default:
			return badParameter(name, "Invalid 'tenant_only': want true or false, got %q.", value)
		}
	case "order":
		if value != "asc" && value != "desc" {
			return badParameter(name, "Invalid 'order': want asc or desc, got %q.", value)
		}
		q.ascending = value == "asc"
	}
	return nil
}

// bound narrows the span of time: every bound that is given holds.
func (q *query) bound(kind string, n int64) {
	switch kind {
	case "gte]":
		q.from = max(q.from, n)
	case "lte]":
		q.to = min(q.to, n)
	case "gt]":
		if n == math.MaxInt64 {
			q.from, q.to = 1, 0
			return
		}
		q.from = max(q.from, n+1)
	case "lt]":
		if n == math.MinInt64 {
			q.from, q.to = 1, 0
			return
		}
		q.to = min(q.to, n-1)
	}
}
