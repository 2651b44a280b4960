package splunkhec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"auditlog-connector/pipeline"
)

const (
	good = "ok"
	warn = "warn"
	fail = "fail"
)

// farOff is how far the clocks may be apart before it is worth a word.
const farOff = 30 * time.Second

// Check implements [pipeline.Checker]. Nothing it sends holds an event.
func (s *sink) Check(ctx context.Context) []pipeline.Finding {
	c := &checker{sink: s}
	for i, x := range s.sessions {
		if len(s.sessions) > 1 {
			c.at = fmt.Sprintf(" [%d]", i)
		}
		c.collector(ctx, newSession(x.base, s.config.Ack))
	}
	c.at = ""
	c.searches(ctx)
	return c.findings
}

// checker collects findings.
type checker struct {
	*sink
	at       string // which address, if there are several
	findings []pipeline.Finding
}

func (c *checker) add(name, status, detail, hint string) {
	c.findings = append(c.findings, pipeline.Finding{Name: name + c.at, Status: status, Detail: detail, Hint: hint})
}

func (c *checker) collector(ctx context.Context, x *session) {
	if _, err := c.token.get(); err != nil {
		c.add("token", fail, err.Error(), "write ${file:PATH} or ${env:NAME}")
		return
	}
	a, err := c.ask(ctx, x, call{method: get, path: pathHealth})
	if err != nil {
		c.add("reachable", fail, err.Error(), "is url right, and does the collector listen there (8088)?")
		return
	}
	c.add("reachable", good, fmt.Sprintf("%s answers: HTTP %d", x.base, a.Status), "")
	c.clock(a)
	switch {
	case a.Status == http.StatusNotFound:
		c.add("health", warn, "the collector does not say whether it is healthy", "let "+pathHealth+" through")
	case a.Status != http.StatusOK:
		c.add("health", fail, a.failure().Error(), "look at the indexers' queues")
	case a.class() == classSlow:
		c.add("health", warn, a.Message(), "look at the indexers' queues")
	default:
		c.add("health", good, "takes events", "")
	}
	if c.tokenWorks(ctx, x) {
		c.acknowledgement(ctx, x)
	}
}

func (c *checker) clock(a *answer) {
	const hint = "events are dated by the source, but searches over recent times need clocks that agree"
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return // a proxy may take it out; nothing of ours goes by it
	}
	switch off := c.now().Sub(date).Round(time.Second); {
	case off > farOff:
		c.add("clock", warn, fmt.Sprintf("this host's clock is %s ahead of the collector's", off), hint)
	case off < -farOff:
		c.add("clock", warn, fmt.Sprintf("this host's clock is %s behind the collector's", -off), hint)
	default:
		c.add("clock", good, "this host's clock agrees with the collector's", "")
	}
}

// tokenWorks sends no data at all, which only a token that may send some gets as far
// as being told.
func (c *checker) tokenWorks(ctx context.Context, x *session) bool {
	a, err := c.ask(ctx, x, call{method: post, path: pathEvents, channel: x.channel, body: []byte{}})
	switch {
	case err != nil:
		c.add("token", fail, err.Error(), "")
	case a.known() && a.code == codeNoData:
		c.add("token", good, "read from "+c.token.secret.Source()+", and let in", "")
		return true
	default:
		c.add("token", fail, a.failure().Error(), "")
	}
	return false
}

func (c *checker) acknowledgement(ctx context.Context, x *session) {
	const name = "acknowledgement"
	if c.config.Ack == AckOff {
		c.add(name, good, "is not waited for (ack: off): an answer means taken, not indexed", "")
		return
	}
	err := c.probeAcks(ctx, x)
	switch {
	case err != nil:
		c.add(name, fail, err.Error(), "")
	case x.acks == acksNo:
		c.add(name, warn, "the token has none: an answer means taken, not indexed", "enable indexer acknowledgement for the token, or write ack: off")
	default:
		c.add(name, good, "the token has it: events count when they are indexed", "")
	}
}

// searches tries what settles doubt, and what only a search can tell.
func (c *checker) searches(ctx context.Context) {
	if c.config.Search.URL == "" {
		c.add("search", warn, "is not configured: a request whose answer is lost is sent again", "search.url and search.token let the connector look what is there")
		if c.config.Index != "" {
			c.add("index", warn, c.config.Index+": whether the token may write it shows with the first event", "look at the token's allowed indexes")
		}
		return
	}
	if _, err := c.search(ctx, batchSearch(c.config.Index, "no batch"), time.Unix(0, 0), time.Unix(1, 0)); err != nil {
		hint := ""
		if errors.Is(err, pipeline.ErrRefused) {
			hint = "make one: Settings > Tokens"
		}
		c.add("search", fail, err.Error(), hint)
		return
	}
	c.add("search", good, "batches can be looked for", "")
	c.version(ctx)
	c.index(ctx)
}

func (c *checker) version(ctx context.Context) {
	resp, err := c.askSearch(ctx, get, pathInfo+"?output_mode=json", nil)
	if err != nil {
		c.add("version", warn, "is not shown to search.token: "+err.Error(), "")
		return
	}
	var info struct {
		Entry []struct{ Content struct{ Version string } }
	}
	if json.Unmarshal(resp.Body, &info) != nil || len(info.Entry) == 0 || info.Entry[0].Content.Version == "" {
		c.add("version", warn, "the search head does not say which it has", "")
		return
	}
	c.add("version", good, "Splunk "+info.Entry[0].Content.Version, "")
}

func (c *checker) index(ctx context.Context) {
	name := c.config.Index
	if name == "" {
		return
	}
	rows, err := c.search(ctx, `| eventcount summarize=false index="`+name+`"`, time.Time{}, time.Time{})
	switch {
	case err != nil:
		c.add("index", warn, "cannot be looked up: "+err.Error(), "")
	case len(rows) == 0 || !strings.EqualFold(rows[0]["index"], name):
		c.add("index", fail, name+" does not exist, or search.token's user may not search it", "make the index, or allow it for the role; without it nothing in doubt can be found")
	default:
		c.add("index", good, name+" can be searched", "")
	}
}
