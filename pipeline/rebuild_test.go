package pipeline

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

func TestRebuildReadsLittleMoreThanTheBatch(t *testing.T) {
	for _, tc := range []struct {
		name    string
		members func(i int) time.Duration // times of 300 members
		others  func(i int) time.Duration // times of 4,000 entries of the log that are none
		most    int                       // requests
	}{
		{
			name:    "a quiet log, an event a day",
			members: func(i int) time.Duration { return time.Duration(i) * 24 * time.Hour },
			most:    5,
		}, {
			name:    "a busy hour",
			members: func(i int) time.Duration { return time.Duration(i) * 12 * time.Second },
			most:    5,
		}, {
			name: "a late arrival from before a busy day",
			members: func(i int) time.Duration {
				if i == 0 {
					return 0
				}
				return 25*time.Hour + time.Duration(i)*time.Second
			},
			others: func(i int) time.Duration { return time.Hour + time.Duration(i)*20*time.Second },
			most:   20,
		}, {
			name:    "all in one second",
			members: func(int) time.Duration { return 0 },
			most:    5,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, h := newListing(100), &handClock{now: at(400 * 24 * time.Hour)}
			m := Manifest{ID: BatchID{Lane: "a/b", Epoch: "1", Seq: 1}}
			for i := range 300 {
				p := Position{Time: at(tc.members(i)), ID: fmt.Sprintf("m%03d", i)}
				src.add("org", entry(p.ID, p.Time))
				m.Members = append(m.Members, p)
			}
			if tc.others != nil {
				for i := range 4_000 {
					src.add("org", entry(fmt.Sprintf("o%05d", i), at(tc.others(i))))
				}
			}
			r := newReader(src, h.clock())
			r.limits = spanLimits{target: 300, dense: 500, first: 24 * time.Hour}
			c := &chain{source: src, reader: r, clock: h.clock(), streams: newStreams(slog.New(slog.DiscardHandler))}
			c.streams.add("org")
			records, err := c.rebuild(t.Context(), m)
			if err != nil || len(records) != len(m.Members) {
				t.Fatalf("%d records, %v, want %d", len(records), err, len(m.Members))
			}
			for i := range records {
				if records[i].ID != m.Members[i].ID {
					t.Fatalf("record %d is %s, want %s: the order is the manifest's", i, records[i].ID, m.Members[i].ID)
				}
			}
			if got := len(src.requests()); got > tc.most {
				t.Errorf("%d requests, want at most %d", got, tc.most)
			}
		})
	}
}
