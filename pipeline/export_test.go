package pipeline

import "time"

// NewSmall is New with spans of few entries, so that short histories have many.
func NewSmall(cfg Config, target, dense int, first time.Duration) (*Pipeline, error) {
	p, err := New(cfg)
	if err != nil {
		return nil, err
	}
	for _, c := range p.chains {
		c.reader.limits = spanLimits{target: target, dense: dense, first: first}
	}
	return p, nil
}
