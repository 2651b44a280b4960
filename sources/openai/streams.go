package openai

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// Streams implements [pipeline.Streamer]. With tenant: auto it asks for the tenant
// stream, one request a call, until that has answered once; then it is named for
// ever. It fails only if nobody knows whether there is one.
func (s *Source) Streams(ctx context.Context) ([]string, error) {
	both, one := []string{StreamOrganization, StreamTenant}, []string{StreamOrganization}
	switch {
	case s.tenant == TenantOff:
		return one, nil
	case s.tenant == TenantOn, s.tenantSeen.Load():
		return both, nil
	}
	a, err := s.get(ctx, url.Values{"limit": {"1"}, "tenant_only": {"true"}}, true)
	if err == nil {
		if _, err = parsePage(a.Body); err != nil {
			err = s.notAPage(a, err)
		}
	}
	switch {
	case err == nil:
		s.tenantSeen.Store(true)
		if s.finding.changed("available") {
			s.log.Info("tenant stream is available and is read from now on")
		}
		return both, nil
	case pipeline.IsPermanent(err):
		if s.finding.changed(fmt.Sprint(httpclient.Status(err))) {
			s.log.Info("tenant stream is not available to this key; only the organization stream is read", "err", err)
		}
		return one, nil
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return nil, err
	}
	return nil, fmt.Errorf("ask for the tenant stream: %w", err)
}

// finding is what was last said, so that it is said once.
type finding struct {
	mu   sync.Mutex
	said string
}

func (f *finding) changed(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == what {
		return false
	}
	f.said = what
	return true
}
