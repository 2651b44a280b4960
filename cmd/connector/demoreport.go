package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"auditlog-connector/internal/openaisim"
)

// demoFindings is what the comparison of one destination with the log found.
type demoFindings struct {
	name                               string
	delivered, repeated, lost, foreign int
}

// report compares the destinations with the simulator's log, and says what came out.
func (d *demoRun) report(ctx context.Context) error {
	log := d.visible(d.now())
	rows, err := d.rows(ctx)
	if err != nil {
		return fmt.Errorf("read back the database: %w", err)
	}
	lines, err := d.fileLines()
	if err != nil {
		return fmt.Errorf("read back the file: %w", err)
	}
	found := []demoFindings{compareDemo("SQLite", log, rows), compareDemo("JSON Lines", log, lines)}
	if err := d.table(log, found); err != nil {
		return err
	}
	bad := d.inDoubt == 0
	for _, f := range found {
		bad = bad || f.repeated > 0 || f.lost > 0 || f.foreign > 0
	}
	if !d.keep {
		for _, name := range []string{"connector.yaml", "connector.log", "checkpoint.db", "quarantine"} {
			if !bad {
				_ = d.remove(name)
			}
		}
	}
	if bad {
		return &exitError{code: exitFailure, err: fmt.Errorf("the demo failed: events are lost, repeated or foreign, or nothing was in doubt; look into %s", d.dir)}
	}
	return nil
}

// remove takes away a working file of the demo and what lies beside it.
func (d *demoRun) remove(name string) error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name) {
			if err := os.RemoveAll(d.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// rows reads the event ids of the SQLite destination.
func (d *demoRun) rows(ctx context.Context) ([]string, error) {
	db, err := d.database()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT event_id FROM audit_events")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// fileLines reads the event ids of the file.
func (d *demoRun) fileLines() ([]string, error) {
	f, err := os.Open(d.path("audit.jsonl"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ids []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(ids)+1, err)
		}
		ids = append(ids, e.ID)
	}
	return ids, lines.Err()
}

func compareDemo(name string, log map[string]openaisim.Event, ids []string) demoFindings {
	f := demoFindings{name: name, delivered: len(ids)}
	seen := make(map[string]int, len(ids))
	for _, id := range ids {
		seen[id]++
		if _, ok := log[id]; !ok {
			f.foreign++
		} else if seen[id] > 1 {
			f.repeated++
		}
	}
	for id := range log {
		if seen[id] == 0 {
			f.lost++
		}
	}
	return f
}

// table prints the comparison and what to try next.
func (d *demoRun) table(log map[string]openaisim.Event, found []demoFindings) error {
	stats := d.sim.Stats()
	faults := 0
	for _, n := range stats.Faults {
		faults += n
	}
	var late, tenant, ties int
	seconds := make(map[time.Time]int)
	for _, e := range log {
		first := e.Organization
		if first.IsZero() || !e.Tenant.IsZero() && e.Tenant.Before(first) {
			first = e.Tenant
		}
		if first.After(d.began) {
			late++
		}
		if !e.Tenant.IsZero() {
			tenant++
		}
		seconds[e.EffectiveAt]++
	}
	for _, n := range seconds {
		if n > 1 {
			ties += n
		}
	}
	count := func(n int) string { return grouped(uint64(n)) }
	fmt.Fprintf(d.stdout, `The log        %s events: %s of the tenant stream, %s that share a second, %s that appeared late
The API        %s requests, %s of them failed on purpose
The exporter   %s with SIGKILL; batches in doubt then: %d; %s events/s until all that was there at first had arrived

`, count(len(log)), count(tenant), count(ties), count(late), count(stats.Requests), count(faults),
		killedText(d.kills), d.inDoubt, count(int(float64(len(log)-late)/d.took.Seconds())))
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{f.name, count(len(log)), count(f.delivered), count(d.inDoubt), count(f.repeated), count(f.lost)})
	}
	if err := writeTable(d.stdout, []string{"DESTINATION", "READ", "DELIVERED", "IN DOUBT AT THE KILL", "REPEATED", "LOST"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "\nTry:\n")
	for _, q := range []string{
		`SELECT type, count(*) FROM audit_logs GROUP BY 1 ORDER BY 2 DESC LIMIT 10`,
		`SELECT time, actor_email, actor_ip FROM events WHERE type = 'login.failed' ORDER BY time DESC LIMIT 10`,
		`SELECT time, type, actor_email, target_id FROM events WHERE severity = 'high' ORDER BY time DESC LIMIT 10`,
	} {
		fmt.Fprintf(d.stdout, "  %s query --db %s \"%s\"\n", programName(), d.path("audit.db"), q)
	}
	return nil
}

// programName is how the user can call this program again: "go run" builds it in a
// folder that is gone afterwards.
func programName() string {
	exe, err := os.Executable()
	if err != nil || strings.Contains(exe, "go-build") {
		return "go run ./cmd/connector"
	}
	if slices.Contains(strings.Split(os.Getenv("PATH"), ":"), strings.TrimSuffix(exe, "/connector")) {
		return "connector"
	}
	return exe
}
