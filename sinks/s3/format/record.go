package format

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"auditlog-connector/schemas"
)

// auditRow is the record as Parquet has it: the fields of the Avro schema, under
// the same names. Optional text is null where it is empty.
type auditRow struct {
	EventID        string            `parquet:"event_id"`
	EventType      string            `parquet:"event_type,dict"`
	EffectiveAt    time.Time         `parquet:"effective_at,timestamp(millisecond)"`
	Stream         string            `parquet:"stream,dict"`
	Source         string            `parquet:"source,dict"`
	OrganizationID string            `parquet:"organization_id,optional,dict"`
	Action         string            `parquet:"action,dict"`
	Outcome        string            `parquet:"outcome,dict"`
	Severity       string            `parquet:"severity,dict"`
	SeverityReason string            `parquet:"severity_reason,optional,dict"`
	Actor          actorRow          `parquet:"actor"`
	Targets        []targetRow       `parquet:"targets,list"`
	Project        *projectRow       `parquet:"project,optional"`
	Error          *errorRow         `parquet:"error,optional"`
	Changes        map[string]string `parquet:"changes,optional"`
	KnownType      bool              `parquet:"known_type"`
	Problems       []string          `parquet:"problems,list"`
	Details        string            `parquet:"details,optional"`
	Raw            []byte            `parquet:"raw"`
}

type actorRow struct {
	Kind             string  `parquet:"kind,dict"`
	ID               string  `parquet:"id,optional,dict"`
	Email            string  `parquet:"email,optional,dict"`
	Name             string  `parquet:"name,optional,dict"`
	APIKeyID         string  `parquet:"api_key_id,optional,dict"`
	ServiceAccountID string  `parquet:"service_account_id,optional,dict"`
	IP               string  `parquet:"ip,optional,dict"`
	UserAgent        string  `parquet:"user_agent,optional,dict"`
	JA3              string  `parquet:"ja3,optional,dict"`
	JA4              string  `parquet:"ja4,optional,dict"`
	Geo              *geoRow `parquet:"geo,optional"`
}

type geoRow struct {
	Country    string `parquet:"country,optional,dict"`
	Region     string `parquet:"region,optional,dict"`
	RegionCode string `parquet:"region_code,optional,dict"`
	City       string `parquet:"city,optional,dict"`
	Latitude   string `parquet:"latitude,optional,dict"`
	Longitude  string `parquet:"longitude,optional,dict"`
	ASN        string `parquet:"asn,optional,dict"`
}

type targetRow struct {
	Type string `parquet:"type,dict"`
	ID   string `parquet:"id,optional"`
	Name string `parquet:"name,optional"`
}

type projectRow struct {
	ID   string `parquet:"id,dict"`
	Name string `parquet:"name,optional,dict"`
}

type errorRow struct {
	Code    string `parquet:"code,optional,dict"`
	Message string `parquet:"message,optional,dict"`
}

var recordTable = &table{
	schema: parquet.NewSchema("AuditEvent", parquet.SchemaOf(auditRow{})),
	time:   "effective_at",
	blobs:  []string{"details", "raw"},
	row:    recordCells,
	read:   readRecords,
}

// recordCells appends e as a row. It names the columns in the order of auditRow:
// written this way, and not through reflection, keys of a map are sorted and a
// batch costs half.
func recordCells(dst parquet.Row, e *schemas.AuditEvent) (parquet.Row, error) {
	c := cells{row: dst}
	c.text(e.EventID)
	c.text(e.EventType)
	c.put(parquet.Int64Value(e.EffectiveAt.UnixMilli()), 0, 0)
	c.text(e.Stream)
	c.text(e.Source)
	c.optional(e.OrganizationID, 0)
	c.text(e.Action)
	c.text(e.Outcome)
	c.text(e.Severity)
	c.optional(e.SeverityReason, 0)
	c.actor(&e.Actor)
	c.targets(e.Targets)
	if p := e.Project; p == nil {
		c.nulls(2)
	} else {
		c.put(textValue(p.ID), 0, 1)
		c.optional(p.Name, 1)
	}
	if f := e.Error; f == nil {
		c.nulls(2)
	} else {
		c.optional(f.Code, 1)
		c.optional(f.Message, 1)
	}
	c.changes(e.Changes)
	c.put(parquet.BooleanValue(e.KnownType), 0, 0)
	c.texts(e.Problems)
	if len(e.Details) == 0 {
		c.nulls(1)
	} else {
		c.put(textValue(string(e.Details)), 0, 1)
	}
	c.put(parquet.ByteArrayValue(e.Raw), 0, 0)
	return c.row, nil
}

// cells appends the values of one row, column after column. Levels are Parquet's:
// rep says at which list a value goes on, def how many of the optional and repeated
// fields above it are there.
type cells struct {
	row    parquet.Row
	column int
	keys   []string
}

func (c *cells) add(v parquet.Value, rep, def int) {
	c.row = append(c.row, v.Level(rep, def, c.column))
}

// put adds the only value of a column.
func (c *cells) put(v parquet.Value, rep, def int) {
	c.add(v, rep, def)
	c.column++
}

func (c *cells) text(s string) { c.put(textValue(s), 0, 0) }

// optional adds text whose parents, of which above are optional, are there.
func (c *cells) optional(s string, above int) {
	if s == "" {
		c.put(parquet.NullValue(), 0, above)
		return
	}
	c.put(textValue(s), 0, above+1)
}

// nulls adds n columns of something that is not there at all.
func (c *cells) nulls(n int) {
	for range n {
		c.put(parquet.NullValue(), 0, 0)
	}
}

func (c *cells) actor(a *schemas.Actor) {
	c.text(a.Kind)
	for _, s := range [...]string{a.ID, a.Email, a.Name, a.APIKeyID, a.ServiceAccountID, a.IP, a.UserAgent, a.JA3, a.JA4} {
		c.optional(s, 0)
	}
	g := a.Geo
	if g == nil {
		c.nulls(7)
		return
	}
	for _, s := range [...]string{g.Country, g.Region, g.RegionCode, g.City, g.Latitude, g.Longitude, g.ASN} {
		c.optional(s, 1)
	}
}

func (c *cells) targets(targets []schemas.Target) {
	if len(targets) == 0 {
		c.nulls(3)
		return
	}
	for i := range targets {
		c.add(textValue(targets[i].Type), min(i, 1), 1)
	}
	c.column++
	for i := range targets {
		c.addOptional(targets[i].ID, min(i, 1), 1)
	}
	c.column++
	for i := range targets {
		c.addOptional(targets[i].Name, min(i, 1), 1)
	}
	c.column++
}

func (c *cells) addOptional(s string, rep, above int) {
	if s == "" {
		c.add(parquet.NullValue(), rep, above)
		return
	}
	c.add(textValue(s), rep, above+1)
}

func (c *cells) texts(list []string) {
	if len(list) == 0 {
		c.nulls(1)
		return
	}
	for i, s := range list {
		c.add(textValue(s), min(i, 1), 1)
	}
	c.column++
}

func (c *cells) changes(changes map[string]string) {
	if len(changes) == 0 {
		c.nulls(2)
		return
	}
	c.keys = sortedKeys(c.keys[:0], changes)
	for i, k := range c.keys {
		c.add(textValue(k), min(i, 1), 2)
	}
	c.column++
	for i, k := range c.keys {
		c.add(textValue(changes[k]), min(i, 1), 2)
	}
	c.column++
}

// textValue is s as a value. Readers refuse text that is not UTF-8; raw has every byte.
func textValue(s string) parquet.Value {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return parquet.ValueOf(s)
}

// event is the row as the record it was.
func (r *auditRow) event() schemas.AuditEvent {
	e := schemas.AuditEvent{
		EventID: r.EventID, EventType: r.EventType, EffectiveAt: r.EffectiveAt.UTC(), Stream: r.Stream, Source: r.Source,
		OrganizationID: r.OrganizationID, Action: r.Action, Outcome: r.Outcome, Severity: r.Severity, SeverityReason: r.SeverityReason,
		Actor: schemas.Actor{
			Kind: r.Actor.Kind, ID: r.Actor.ID, Email: r.Actor.Email, Name: r.Actor.Name, APIKeyID: r.Actor.APIKeyID,
			ServiceAccountID: r.Actor.ServiceAccountID, IP: r.Actor.IP, UserAgent: r.Actor.UserAgent, JA3: r.Actor.JA3, JA4: r.Actor.JA4,
			Geo: (*schemas.Geo)(r.Actor.Geo),
		},
		Project: (*schemas.Project)(r.Project), Error: (*schemas.EventError)(r.Error),
		KnownType: r.KnownType, Problems: r.Problems, Raw: r.Raw,
	}
	for _, t := range r.Targets {
		e.Targets = append(e.Targets, schemas.Target(t))
	}
	if len(r.Changes) > 0 {
		e.Changes = r.Changes
	}
	if r.Details != "" {
		e.Details = []byte(r.Details)
	}
	return e
}

func sortedKeys(keys []string, m map[string]string) []string {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
