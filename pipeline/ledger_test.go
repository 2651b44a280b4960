package pipeline

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var updateLedger = flag.Bool("update", false, "rewrite the expected answers of testdata/ledger")

// TestLedgerScenarios plays the scripts in testdata/ledger. A script has one command
// a line; what the ledger answers follows, indented. Lines that begin with # are
// comments. Times are of the first day, or dN/ of day N.
//
//	overlap D · slack D           before start or restart
//	start T                       a lane that is new and begins at T
//	join S                        the lane begins to follow stream S
//	admit S ID T [asof T]         an entry of S is read; asof is what it may claim at most
//	claim S T                     a deep walk of S that began at T is over, or a filtered entry lies there
//	cut N                         the first N queued records become a batch
//	prepare · commit              its manifest is durable · it is recorded as delivered
//	stride                        progress without members is recorded
//	release                       what is queued is given up
//	restart                       the process dies; the next one has what was durable
//	state                         what the lane remembers
func TestLedgerScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/ledger/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playLedger(t, string(want))
			if *updateLedger {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s:\n%s", file, firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d: got %q, want %q", i+1, g[i], strings.Join(w[min(i, len(w)):min(i+1, len(w))], ""))
		}
	}
	return "it is longer than what was played"
}

// ledgerPlay is a ledger with what is durable of it.
type ledgerPlay struct {
	led            *ledger
	cp             Checkpoint
	overlap, slack time.Duration
	cut            *Manifest // not prepared
	ids            []string  // all that were read, in order
}

// playLedger returns script with the answers that the ledger gives.
func playLedger(t *testing.T, script string) string {
	t.Helper()
	p := &ledgerPlay{overlap: time.Hour}
	var out strings.Builder
	for n, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, " ") {
			continue // the answer of an earlier run
		}
		fmt.Fprintln(&out, line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		answer, err := p.do(words[0], words[1:])
		if err != nil {
			t.Fatalf("line %d: %q: %v", n+1, line, err)
		}
		for _, a := range answer {
			fmt.Fprintln(&out, "  "+a)
		}
	}
	return out.String()
}

func (p *ledgerPlay) do(command string, args []string) (answer []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	switch command {
	case "overlap":
		p.overlap = duration(args[0])
	case "slack":
		p.slack = duration(args[0])
	case "start":
		p.cp = Checkpoint{Epoch: "e1", Next: 1, Start: moment(args[0]), Streams: map[string]Progress{}}
		p.led = newLedger("acme/sink", p.cp, p.overlap, p.slack)
	case "join":
		p.led.join(args[0])
		answer = progressLines(p.led.tip)
	case "admit":
		answer = []string{p.admit(args)}
	case "claim":
		p.led.claim(args[0], moment(args[1]))
	case "cut":
		n, _ := strconv.Atoi(args[0])
		m := p.led.cut(min(n, len(p.led.queue))).Manifest
		p.cut = &m
		answer = manifestLines(m)
	case "prepare":
		p.led.prepare(*p.cut)
		p.cp.Prepared, p.cp.Next, p.cut = p.cut, p.cut.ID.Seq+1, nil
	case "commit":
		answer = p.commit(*p.cp.Prepared)
		p.cp.Prepared = nil
	case "stride":
		m, ok := p.led.stride()
		if !ok {
			return []string{"nothing to claim"}, nil
		}
		answer = p.commit(m)
	case "release":
		answer = []string{fmt.Sprintf("released %d", p.led.release())}
	case "restart":
		p.led, p.cut = newLedger("acme/sink", p.cp, p.overlap, p.slack), nil
	case "state":
		answer = p.state()
	default:
		return nil, fmt.Errorf("no such command")
	}
	return answer, nil
}

func (p *ledgerPlay) admit(args []string) string {
	r := Record{Event: Event{Raw: Raw{Stream: args[0], Position: Position{ID: args[1], Time: moment(args[2])}}}}
	r.AsOf = r.Time
	if len(args) == 5 && args[3] == "asof" {
		r.AsOf = moment(args[4])
	}
	if !slices.Contains(p.ids, r.ID) {
		p.ids = append(p.ids, r.ID)
	}
	a := p.led.admit(r.Stream, r.Position)
	if a == admitFresh {
		p.led.hold(&r, 1, r.Time)
	}
	return [...]string{"fresh", "duplicate", "late", "forgotten"}[a]
}

// commit records m in the ledger and in the checkpoint, which keeps ids from the
// lowest floor on.
func (p *ledgerPlay) commit(m Manifest) []string {
	p.led.commit(m)
	p.cp.Streams = progressOf(p.cp.Streams, m)
	p.cp.Delivered = append(p.cp.Delivered, m.Members...)
	var low time.Time
	for _, s := range p.cp.Streams {
		if low.IsZero() || s.Floor.Before(low) {
			low = s.Floor
		}
	}
	p.cp.Delivered = slices.DeleteFunc(slices.Clone(p.cp.Delivered), func(q Position) bool { return q.Time.Before(low) })
	return progressLines(p.cp.Streams)
}

func (p *ledgerPlay) state() []string {
	var queued, held, seen []string
	for _, r := range p.led.queue {
		queued = append(queued, r.ID)
	}
	for _, id := range p.ids {
		if _, ok := p.led.held[keyOf(id)]; ok && !slices.Contains(queued, id) {
			held = append(held, id)
		}
		if _, ok := p.led.seen[keyOf(id)]; ok {
			seen = append(seen, id)
		}
	}
	lines := []string{fmt.Sprintf("next batch %d", p.led.next)}
	for _, s := range slices.Sorted(maps.Keys(p.led.progress)) {
		lines = append(lines, fmt.Sprintf("%s: watermark %s, horizon %s", s, timeText(p.led.progress[s].Watermark), timeText(p.led.horizon(s))))
	}
	for _, l := range []struct {
		name string
		ids  []string
	}{{"queued", queued}, {"in delivery", held}, {"seen", seen}} {
		if len(l.ids) > 0 {
			lines = append(lines, l.name+": "+strings.Join(l.ids, " "))
		}
	}
	return lines
}

func manifestLines(m Manifest) []string {
	ids := make([]string, len(m.Members))
	for i, p := range m.Members {
		ids[i] = p.ID
	}
	return append([]string{fmt.Sprintf("batch %d: %s", m.ID.Seq, strings.Join(ids, " "))}, progressLines(progressOf(map[string]Progress{}, m))...)
}

func progressLines(progress map[string]Progress) (lines []string) {
	for _, s := range slices.Sorted(maps.Keys(progress)) {
		p := progress[s]
		line := fmt.Sprintf("%s: watermark %s, floor %s", s, timeText(p.Watermark), timeText(p.Floor))
		if !p.Joined.IsZero() {
			line += ", joined " + timeText(p.Joined)
		}
		lines = append(lines, line)
	}
	return lines
}

var ledgerDay = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// moment reads 10:00, 10:00:05 or d2/10:00.
func moment(s string) time.Time {
	day := 1
	if d, rest, ok := strings.Cut(s, "/"); ok {
		if _, err := fmt.Sscanf(d, "d%d", &day); err != nil {
			panic(err)
		}
		s = rest
	}
	if strings.Count(s, ":") == 1 {
		s += ":00"
	}
	clock, err := time.Parse("15:04:05", s)
	if err != nil {
		panic(err)
	}
	return ledgerDay.AddDate(0, 0, day-1).Add(clock.Sub(clock.Truncate(24 * time.Hour)))
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	text := t.Format("15:04:05")
	if days := int(t.Sub(ledgerDay).Hours()/24) + 1; days != 1 {
		text = fmt.Sprintf("d%d/%s", days, text)
	}
	return strings.TrimSuffix(text, ":00")
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}
