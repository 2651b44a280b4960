package file

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"auditlog-connector/pipeline"
)

// Place implements [pipeline.Placer]: the path of the file, with daily rotation
// that of the day of the batch's first member.
func (s *sink) Place(m pipeline.Manifest) string {
	if s.rotate == rotateDaily && len(m.Members) > 0 {
		return dated(s.path, m.Members[0].Time.UTC().Format(time.DateOnly))
	}
	return s.path
}

// dated is path with a day in front of its extension: audit-2026-11-22.jsonl.
func dated(path, day string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-" + day + ext
}

// file is the path that m belongs to. All places of one configured path, rotated
// or not, share the side record; other places are out of reach.
func (s *sink) file(m pipeline.Manifest) (string, error) {
	place := m.Place
	if place == "" {
		place = s.Place(m)
	}
	if place == s.path {
		return place, nil
	}
	ext := filepath.Ext(s.path)
	rest, ok := strings.CutPrefix(place, strings.TrimSuffix(s.path, ext)+"-")
	if !ok || !strings.HasSuffix(rest, ext) || !isDay(strings.TrimSuffix(rest, ext)) {
		return "", unreachable(m, s.path)
	}
	return place, nil
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func unreachable(m pipeline.Manifest, path string) error {
	return pipeline.Permanent(fmt.Errorf("the batch in doubt belongs to %q, and path is %q now; "+
		"set path back until it is settled, or see: connector checkpoint resolve", m.Place, path))
}
