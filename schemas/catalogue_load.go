package schemas

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

//go:embed catalogue/*.csv
var tables embed.FS

// row is one line of a table, by column.
type row map[string]string

// loadCatalogue reads the embedded tables. They are part of the program: what is
// wrong with them is a bug, and the tests read them too.
func loadCatalogue() *EventTypes {
	c, err := readCatalogue()
	if err != nil {
		panic("read the embedded catalogue: " + err.Error())
	}
	return c
}

func readCatalogue() (*EventTypes, error) {
	c := &EventTypes{types: make(map[string]*EventType)}
	rows, err := readTable("catalogue/event-types.csv")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		t, err := r.eventType()
		if err != nil {
			return nil, err
		}
		if c.types[t.Type] != nil {
			return nil, fmt.Errorf("%s is listed twice", t.Type)
		}
		c.types[t.Type] = t
		c.order = append(c.order, t)
	}
	if err := c.readOverrides(); err != nil {
		return nil, err
	}
	if err := c.readTargetUnknown(); err != nil {
		return nil, err
	}
	for _, t := range c.order {
		if err := t.addVariants(); err != nil {
			return nil, err
		}
	}
	for old, name := range aliases {
		if c.types[name] == nil {
			return nil, fmt.Errorf("%s is an alias of %s, which is not listed", old, name)
		}
		c.types[old] = c.types[name]
	}
	rows, err = readTable("catalogue/event-types-fallback.csv")
	if err != nil {
		return nil, err
	}
	return c, c.rules.read(rows)
}

func (c *EventTypes) readOverrides() error {
	rows, err := readTable("catalogue/event-types-overrides.csv")
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := c.types[r["type"]]
		if t == nil {
			return fmt.Errorf("override of %s, which is not listed", r["type"])
		}
		if !slices.Contains([]string{"equals", "contains", "present", "absent"}, r["when_op"]) {
			return fmt.Errorf("override of %s: no such condition %q", t.Type, r["when_op"])
		}
		t.overrides = append(t.overrides, override{
			path:  parsePath(r["when_path"]),
			op:    r["when_op"],
			value: r["when_value"],
			cells: r,
		})
	}
	return nil
}

func (c *EventTypes) readTargetUnknown() error {
	rows, err := readTable("catalogue/target-unknown.csv")
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := c.types[r["type"]]
		if t == nil || !t.Documented || t.TargetUnknown != "" || r["reason"] == "" {
			return fmt.Errorf("target unknown of %s: want a listed, documented type once, and a reason", r["type"])
		}
		t.TargetUnknown = r["reason"]
	}
	return nil
}

// readTable reads a table with a header line.
func readTable(name string) ([]row, error) {
	text, err := tables.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(lines) < 2 {
		return nil, fmt.Errorf("%s: empty", name)
	}
	rows := make([]row, 0, len(lines)-1)
	for _, line := range lines[1:] {
		r := make(row, len(line))
		for i, cell := range line {
			r[lines[0][i]] = cell
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// eventType makes a type of a row of event-types.csv.
func (r row) eventType() (*EventType, error) {
	t := &EventType{
		Type:           r["type"],
		Known:          true,
		Feed:           r["feed"],
		Documented:     r["documented_payload"] == "yes",
		Note:           r["note"],
		ObjectType:     r["object_type"],
		ObjectIDPath:   parsePath(r["object_id_path"]),
		TargetUserPath: parsePath(r["target_user_path"]),
	}
	for _, p := range list(r["object_name_path"]) {
		t.ObjectNamePath = append(t.ObjectNamePath, parsePath(p))
	}
	err := r.apply(t)
	if err == nil {
		err = t.derive()
	}
	if err != nil {
		return nil, fmt.Errorf("event type %s: %w", t.Type, err)
	}
	return t, nil
}

// apply sets the fields of t for which r has a cell that is not empty. It does
// not touch what identifies a type, nor its paths.
func (r row) apply(t *EventType) error {
	texts := map[string]*string{
		"action":              &t.Action,
		"ecs_outcome":         &t.Outcome,
		"severity":            &t.Severity,
		"severity_reason":     &t.SeverityReason,
		"ocsf_activity_name":  &t.OCSF.ActivityName,
		"cim_model":           &t.CIM.Model,
		"cim_dataset":         &t.CIM.Dataset,
		"cim_action":          &t.CIM.Action,
		"cim_object_category": &t.CIM.ObjectCategory,
		"cim_change_type":     &t.CIM.ChangeType,
	}
	lists := map[string]*[]string{
		"mitre_attack":         &t.MITREAttack,
		"ecs_category":         &t.ECS.Category,
		"ecs_type":             &t.ECS.Type,
		"ocsf_required_target": &t.OCSF.RequiredTarget,
		"cim_tags":             &t.CIM.Tags,
	}
	numbers := map[string]*int{
		"ocsf_class_uid":      &t.OCSF.ClassUID,
		"ocsf_activity_id":    &t.OCSF.ActivityID,
		"ocsf_type_uid":       &t.OCSF.TypeUID,
		"ocsf_entity_type_id": &t.OCSF.EntityTypeID,
	}
	for column, p := range texts {
		*p = cmp.Or(r[column], *p)
	}
	for column, p := range lists {
		if items := list(r[column]); items != nil {
			*p = items
		}
	}
	for column, p := range numbers {
		if r[column] == "" {
			continue
		}
		n, err := strconv.Atoi(r[column])
		if err != nil {
			return fmt.Errorf("column %s: %w", column, err)
		}
		*p = n
	}
	return nil
}

// derive sets the fields that follow from others, and checks what it relies on.
func (t *EventType) derive() error {
	severity := slices.Index([]string{"info", "low", "medium", "high"}, t.Severity)
	status := slices.Index([]string{"unknown", "success", "failure"}, t.Outcome)
	switch {
	case severity < 0:
		return fmt.Errorf("no such severity %q", t.Severity)
	case status < 0:
		return fmt.Errorf("no such outcome %q", t.Outcome)
	case t.Feed != "organization" && t.Feed != "tenant":
		return fmt.Errorf("no such feed %q", t.Feed)
	}
	t.OCSF.SeverityID = severity + 1
	t.OCSF.StatusID = status
	return nil
}

// list splits a cell with several values.
func list(cell string) []string {
	if cell == "" {
		return nil
	}
	return strings.Split(cell, ";")
}
