package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

const (
	good = "ok"
	warn = "warn"
	fail = "fail"
)

// Check implements [pipeline.Checker]. Nothing it sends changes anything.
func (s *sink) Check(ctx context.Context) []pipeline.Finding {
	c := &checker{sink: s}
	if err := s.aim(""); err != nil {
		c.add("index", fail, err.Error(), "")
		return c.findings
	}
	alive := -1
	for i := range s.nodes {
		s.current = i
		if len(s.nodes) > 1 {
			c.at = fmt.Sprintf(" [%d]", i)
		}
		if c.node(ctx) {
			alive = i
		}
	}
	if c.at = ""; alive < 0 {
		return c.findings
	}
	s.current = alive
	c.privileges(ctx)
	c.templates(ctx)
	c.durability(ctx)
	if s.target.stream != "" {
		c.stream(ctx)
	}
	return c.findings
}

// checker collects findings.
type checker struct {
	*sink
	elastic  bool   // the server is Elasticsearch
	at       string // which node, if there are several
	findings []pipeline.Finding
}

func (c *checker) add(name, status, detail, hint string) {
	c.findings = append(c.findings, pipeline.Finding{Name: name + c.at, Status: status, Detail: detail, Hint: hint})
}

// node says what the node in use is, and reports whether it lets us in.
func (c *checker) node(ctx context.Context) bool {
	base := c.nodes[c.current]
	resp, _, err := c.askNode(ctx, base, call{method: http.MethodGet, path: "/"})
	if err != nil {
		c.add("reachable", fail, err.Error(), "is the address right, and is the server up?")
		return false
	}
	c.add("reachable", good, fmt.Sprintf("%s answers: HTTP %d", base, resp.Status), "")
	c.clock(resp)
	c.elastic = resp.Header.Get("X-Elastic-Product") != ""
	switch {
	case resp.Status == http.StatusUnauthorized:
		c.add("credentials", fail, failure(resp).Error(), "")
		return false
	case refused(resp.Status) || resp.Status == http.StatusMethodNotAllowed:
		c.add("version", warn, "the server does not say which it is: "+failure(resp).Error(), "grant monitor to see it")
	case resp.Status != http.StatusOK:
		c.add("version", fail, failure(resp).Error(), "")
		return false
	default:
		return c.version(resp)
	}
	return true
}

func (c *checker) clock(resp *httpclient.Response) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return // only proxies say
	}
	if off := c.now().Sub(date).Round(time.Second); off.Abs() > 30*time.Second {
		c.add("clock", warn, fmt.Sprintf("this host's clock and the server's are %s apart", off.Abs()), "events are dated by the source, but searches over recent times need clocks that agree")
	}
}

// privileges asks for what delivering needs. OpenSearch has no way to ask.
func (c *checker) privileges(ctx context.Context) {
	if name, _ := c.login.secret(); name == "" {
		c.add("privileges", warn, "no api_key and no username: everybody who reaches the server may do the same", "enable security on the server")
		return
	}
	if !c.elastic {
		c.add("privileges", warn, "the server cannot be asked: it shows with the first document", "see the README's section Permissions")
		return
	}
	wanted := []string{"create_doc", "auto_configure"}
	cluster := []string{}
	if c.target.stream != "" {
		wanted = append(wanted, "read", "delete", "view_index_metadata")
	}
	if c.config.InstallTemplate {
		cluster = append(cluster, "manage_index_templates")
	}
	body, err := json.Marshal(map[string]any{"cluster": cluster, "index": []any{map[string]any{"names": []string{c.target.pattern()}, "privileges": wanted}}})
	if err != nil {
		c.add("privileges", warn, err.Error(), "")
		return
	}
	var answer struct {
		Cluster map[string]bool
		Index   map[string]map[string]bool
	}
	found, err := c.askJSON(ctx, call{method: http.MethodPost, path: "/_security/user/_has_privileges", body: body, content: typeJSON}, &answer)
	if err != nil || !found {
		c.add("privileges", warn, fmt.Sprintf("cannot be asked for: %v", err), "")
		return
	}
	var missing []string
	for _, granted := range append(slices.Collect(maps.Values(answer.Index)), answer.Cluster) {
		for name, yes := range granted {
			if !yes {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		c.add("privileges", fail, "missing: "+strings.Join(missing, ", "), "grant them on "+c.target.pattern())
		return
	}
	c.add("privileges", good, "all that delivering needs", "")
}
