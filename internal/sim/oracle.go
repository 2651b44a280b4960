package sim

import (
	"fmt"
	"sort"
	"time"
)

// Check compares a destination with the log: every entry from start on that some
// stream returns and wanted accepts (nil: all) must be there, once, or at least once
// if exact is false, and nothing else. It returns the first thing that is wrong.
func (w *World) Check(contents map[string]int, start time.Time, exact bool, wanted func(id string) bool) error {
	w.mu.Lock()
	odd := w.odd
	w.mu.Unlock()
	if odd != nil {
		return odd
	}
	var lost, repeated []string
	known := make(map[string]bool)
	for _, e := range w.Entries() {
		n := contents[e.ID]
		if wanted != nil && !wanted(e.ID) {
			continue // and nothing of it may be there
		}
		known[e.ID] = true
		due := !e.Time.Before(start) && (e.Visible[0].Before(Never) || w.Streams > 1 && e.Visible[1].Before(Never))
		switch {
		case due && n == 0:
			lost = append(lost, fmt.Sprintf("%s of %s, visible from %s / %s", e.ID, clock(e.Time), clock(e.Visible[0]), clock(e.Visible[1])))
		case exact && n > 1:
			repeated = append(repeated, fmt.Sprintf("%s of %s, %d copies", e.ID, clock(e.Time), n))
		}
	}
	for id := range contents {
		if !known[id] {
			return fmt.Errorf("event %s is nowhere in the log, or not wanted", id)
		}
	}
	sort.Strings(lost)
	sort.Strings(repeated)
	switch {
	case len(lost) > 0:
		return fmt.Errorf("%d lost: %v", len(lost), lost)
	case len(repeated) > 0:
		return fmt.Errorf("%d repeated: %v", len(repeated), repeated)
	}
	return nil
}

func clock(t time.Time) string {
	if !t.Before(Never) {
		return "never"
	}
	return t.UTC().Format("02T15:04:05")
}
