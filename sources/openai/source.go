package openai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

// Type is the source type "openai".
var Type = sources.Define(sources.Definition[Config]{
	Name:        "openai",
	Defaults:    defaults,
	Validate:    validate,
	Concurrency: func(c *Config) int { return c.Concurrency },
	Rate:        func(c *Config) float64 { return c.RequestsPerSecond * maxLimit },
	Open:        func(_ context.Context, c *Config, env sources.Env) (pipeline.Source, error) { return open(c, env) },
})

// The streams, in order of precedence.
const (
	StreamOrganization = "organization"
	StreamTenant       = "tenant"
)

// maxLimit is the most entries that the API puts on a page.
const maxLimit = 100

// Source is a [pipeline.Source] and a [pipeline.Streamer]. Methods may be called
// concurrently and share one request budget.
type Source struct {
	name   string
	log    *slog.Logger
	now    func() time.Time
	client *httpclient.Client
	base   string // where the API is, without a slash at the end
	host   string // the host in base
	org    string
	tenant Tenant
	ignore map[string]bool
	key    keyring
	budget *budget
	own    ownKey

	tenantSeen atomic.Bool // the tenant stream has answered: it is named for ever
	finding    finding     // what was last said about it
	clocks     finding     // and about our clock
}

func open(c *Config, env sources.Env) (*Source, error) {
	client, err := httpclient.New(httpclient.Options{Transport: env.Transport})
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", env.Source, err)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("open source %s: base_url is not an address", env.Source)
	}
	s := &Source{
		name:   env.Source,
		log:    env.Logger.With("source", env.Source),
		now:    env.Now,
		client: client,
		base:   strings.TrimRight(c.BaseURL, "/"),
		host:   base.Host,
		org:    c.Organization,
		tenant: c.Tenant,
		ignore: make(map[string]bool, len(c.IgnoreIDs)),
		key:    keyring{secret: c.AdminKey, gateway: !isOpenAI(base.Hostname())},
		budget: newBudget(c.RequestsPerSecond),
		clocks: finding{said: together},
	}
	if err := measure(env.Registerer, s.budget); err != nil {
		return nil, fmt.Errorf("open source %s: %w", env.Source, err)
	}
	s.own = ownKey{id: []byte(c.KeyID), normalize: s.Normalize, log: s.log}
	for _, id := range c.IgnoreIDs {
		s.ignore[id] = true
	}
	return s, nil
}

// Page implements [pipeline.Source]. What is not Permanent or throttled may be
// asked again.
func (s *Source) Page(ctx context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	if req.Stream != StreamOrganization && req.Stream != StreamTenant {
		return pipeline.Page{}, pipeline.Permanent(fmt.Errorf("read audit log: there is no stream %q", req.Stream))
	}
	if req.Stream == StreamTenant && s.tenant == TenantOff {
		return pipeline.Page{}, pipeline.Permanent(errors.New("read audit log: stream tenant is switched off in the configuration (set tenant to auto or on; a lane that has read it goes on with it)"))
	}
	cur, err := decodeCursor(req.Cursor)
	if err != nil {
		return pipeline.Page{}, pipeline.Permanent(fmt.Errorf("read audit log: %w", err))
	}
	a, err := s.get(ctx, query(req, cur.After), req.Urgent)
	if err != nil {
		return a.page(pipeline.Page{}), fmt.Errorf("read audit log, stream %s: %w", req.Stream, err)
	}
	page, err := s.read(tight(a.Body), req, cur)
	if err != nil {
		return a.page(pipeline.Page{}), fmt.Errorf("read audit log, stream %s: %w", req.Stream, s.notAPage(a, err))
	}
	if req.Stream == StreamTenant {
		s.tenantSeen.Store(true)
	}
	s.own.watch(page.Entries)
	return a.page(page), nil
}

// tight returns body, or a copy of it if half again as much memory as it fills is kept
// with it: entries are a part of the body, and wait for their turn.
func tight(body []byte) []byte {
	if 2*cap(body) > 3*len(body) {
		return bytes.Clone(body)
	}
	return body
}

// query returns the parameters for one page. Entries have whole seconds, so a
// bound between two seconds is one at the later.
func query(req pipeline.PageRequest, after string) url.Values {
	q := url.Values{}
	if !req.Since.IsZero() {
		q.Set("effective_at[gte]", strconv.FormatInt(ceilSecond(req.Since), 10))
	}
	if !req.Until.IsZero() {
		q.Set("effective_at[lt]", strconv.FormatInt(ceilSecond(req.Until), 10))
	}
	limit := req.Limit
	if limit <= 0 || limit > maxLimit {
		limit = maxLimit
	}
	q.Set("limit", strconv.Itoa(limit))
	if after != "" {
		q.Set("after", after)
	}
	if req.Stream == StreamTenant {
		q.Set("tenant_only", "true")
	}
	return q
}

func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// read makes a page of a body and checks that it is what was asked for.
func (s *Source) read(body []byte, req pipeline.PageRequest, cur cursor) (pipeline.Page, error) {
	list, err := parsePage(body)
	if err != nil {
		return pipeline.Page{}, err
	}
	page := pipeline.Page{Entries: make([]pipeline.Raw, 0, len(list.entries))}
	for i := range list.entries {
		e := &list.entries[i]
		id := e.id
		at, err := e.time()
		if err == nil && (at.Before(req.Since) || !req.Until.IsZero() && !at.Before(req.Until)) {
			err = fmt.Errorf("its time %s lies outside the span that was asked for", at.Format(time.RFC3339))
		}
		switch {
		case err == nil:
			page.Entries = append(page.Entries, pipeline.Raw{Position: pipeline.Position{Time: at, ID: id}, Stream: req.Stream, Body: e.body})
		case s.ignore[id]:
			page.Aside = append(page.Aside, pipeline.Aside{ID: id, Body: e.body, Reason: err.Error()})
		default:
			return pipeline.Page{}, fmt.Errorf("entry %s: %w (to go on without it, add the id to ignore_ids: it is kept in quarantine)", httpclient.Short(id), err)
		}
	}
	page.Next, err = cur.advance(list)
	return page, err
}

// Normalize implements [pipeline.Source].
func (s *Source) Normalize(r pipeline.Raw) pipeline.Event { return normalize(s.name, r) }

// Close implements [pipeline.Source]. Pages that wait for their turn fail.
func (s *Source) Close() error {
	s.budget.close()
	return s.client.Close()
}
