package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"auditlog-connector/pipeline"
)

const (
	good = "ok"
	warn = "warn"
	fail = "fail"
)

// Check implements [pipeline.Checker]. It sends at most four requests, and none to
// where an earlier one shows that it is pointless.
func (s *Source) Check(ctx context.Context) []pipeline.Finding {
	c := &checker{Source: s}
	c.run(ctx)
	return c.findings
}

// checker collects findings.
type checker struct {
	*Source
	findings []pipeline.Finding
}

func (c *checker) add(name, status, detail, hint string) {
	c.findings = append(c.findings, pipeline.Finding{Name: name, Status: status, Detail: detail, Hint: hint})
}

// fault adds what err says.
func (c *checker) fault(name, status string, err error) {
	text, hint := split(err)
	c.add(name, status, text, hint)
}

func (c *checker) run(ctx context.Context) {
	key := c.adminKey()
	first := c.reach(ctx, key)
	if first == nil {
		return
	}
	c.clock(first)
	if key == "" {
		return // nobody knows what the key may
	}
	entries, err := c.list(first)
	if err != nil {
		c.fault("organization stream", fail, err)
		if isThrottled(err) {
			return // the others would have to wait as long
		}
	} else {
		c.add("organization stream", good, "may be read", "")
	}
	more, tenantErr := c.tenantStream(ctx, key)
	if isThrottled(tenantErr) {
		return
	}
	if err == nil {
		c.logging(entries + more)
		c.rights(ctx, key)
	}
}

func isThrottled(err error) bool {
	var t *pipeline.ThrottledError
	return errors.As(err, &t)
}

// adminKey returns the key, or "" if there is none to try.
func (c *checker) adminKey() string {
	const name = "admin key"
	key, err := c.key.get()
	switch {
	case err != nil:
		c.fault(name, fail, err)
	case !isAdminKey(key):
		c.add(name, warn, c.key.source()+" does not hold what looks like an admin key", "admin keys begin with sk-admin-")
	default:
		c.add(name, good, "read from "+c.key.source(), "")
	}
	return key
}

// ask waits for its turn and sends one request for one entry.
func (c *checker) ask(ctx context.Context, path, key string, more url.Values) (*answer, error) {
	if err := c.budget.wait(ctx, true); err != nil {
		return nil, err
	}
	q := url.Values{"limit": {"1"}}
	for name, values := range more {
		q[name] = values
	}
	return c.send(ctx, request{path: path, query: q, key: key})
}

// reach asks for the organization's stream and returns whatever is answered, nil
// if nothing is.
func (c *checker) reach(ctx context.Context, key string) *answer {
	const name = "reachable"
	a, err := c.ask(ctx, pathAuditLogs, key, nil)
	if err != nil {
		c.fault(name, fail, err)
		return nil
	}
	c.add(name, good, fmt.Sprintf("%s answers: HTTP %d", c.host, a.Status), "")
	return a
}

// clock compares the clocks.
func (c *checker) clock(a *answer) {
	const name, hint = "clock", "the connector works by the server's clock, but certificates, logs and other programs need this one: set it, by NTP for instance"
	ahead, far := a.skew()
	switch {
	case a.date.IsZero():
		c.add(name, warn, "the server does not say its time", "the connector has to work by this host's clock: keep it right")
	case far && ahead > 0:
		c.add(name, warn, fmt.Sprintf("this host's clock is %s ahead of the server's", ahead), hint)
	case far:
		c.add(name, warn, fmt.Sprintf("this host's clock is %s behind the server's", -ahead), hint)
	default:
		c.add(name, good, "this host's clock agrees with the server's", "")
	}
}

// list returns how many entries a has, or why it is not a page.
func (c *checker) list(a *answer) (entries int, err error) {
	if err := c.refusal(a); err != nil {
		return 0, err
	}
	list, err := parsePage(a.Body)
	if err != nil {
		return 0, c.notAPage(a, err)
	}
	return len(list.entries), nil
}

// tenantStream asks for the tenant's stream as the configuration wants it.
func (c *checker) tenantStream(ctx context.Context, key string) (entries int, err error) {
	const name = "tenant stream"
	if c.tenant == TenantOff {
		c.add(name, good, "is not read (tenant: off)", "")
		return 0, nil
	}
	a, err := c.ask(ctx, pathAuditLogs, key, url.Values{"tenant_only": {"true"}})
	if err == nil {
		entries, err = c.list(a)
	}
	switch {
	case err == nil:
		c.add(name, good, "may be read", "")
	case c.tenant == TenantAuto && pipeline.IsPermanent(err):
		text, _ := split(err)
		c.add(name, warn, "is not available: "+text, "with tenant: auto it is read from the moment it is; if there is none, write tenant: off")
	default:
		c.fault(name, fail, err)
	}
	return entries, err
}

// logging says what a log without entries may mean.
func (c *checker) logging(entries int) {
	const name = "audit logging"
	if entries > 0 {
		c.add(name, good, "there are entries", "")
		return
	}
	c.add(name, warn, "the log is empty: perhaps audit logging is not enabled", "an organization owner enables it in "+loggingPlace)
}

// needless is what a key that only reads the audit log is refused.
var needless = []struct{ path, what string }{
	{pathUsers, "list the organization's users"},
	{pathAdminKeys, "list its admin keys"},
}

// rights tries to read what a key for the audit log has no business with. It says
// nothing about what the server neither shows nor refuses.
func (c *checker) rights(ctx context.Context, key string) {
	const name = "key rights"
	var may, mayNot []string
	for _, n := range needless {
		a, err := c.ask(ctx, n.path, key, nil)
		switch {
		case err != nil:
		case isList(a):
			may = append(may, n.what)
		case a.Status == 401, a.Status == 403:
			mayNot = append(mayNot, n.what)
		}
	}
	switch {
	case len(may) > 0:
		c.add(name, warn, "the key may also "+strings.Join(may, " and "), "make a key with Audit Logs: Read and nothing else (scope api.audit_logs.read)")
	case len(mayNot) > 0:
		c.add(name, good, "the key may not "+strings.Join(mayNot, " or "), "")
	}
}

// isList reports whether a is a 200 with a list, and not what a proxy answers to
// everything.
func isList(a *answer) bool {
	var list struct{ Data *[]json.RawMessage }
	return a.Status == 200 && json.Unmarshal(a.Body, &list) == nil && list.Data != nil
}
