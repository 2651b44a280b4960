package schemas

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// fallback classifies types that are not listed: by the first verb rule that
// matches, and by the first object rule where that leaves the area open.
type fallback struct {
	verbs, objects []rule

	mu   sync.RWMutex
	seen map[string]*EventType
}

type rule struct {
	re    *regexp.Regexp
	cells row
}

const (
	// seenTypes bounds the cache: a source that made up types without end would
	// cost time, not memory.
	seenTypes = 4096
	// longType is how much of a type is looked at, from its end, where the verb is.
	longType = 256
)

func (f *fallback) read(rows []row) error {
	for _, r := range rows {
		re, err := regexp.Compile(r["regexp"])
		if err != nil {
			return fmt.Errorf("fallback rule %s: %w", r["order"], err)
		}
		switch r["kind"] {
		case "verb":
			f.verbs = append(f.verbs, rule{re, r})
		case "object":
			f.objects = append(f.objects, rule{re, r})
		default:
			return fmt.Errorf("fallback rule %s: no such kind %q", r["order"], r["kind"])
		}
	}
	for _, rules := range [][]rule{f.verbs, f.objects} {
		if len(rules) == 0 || !rules[len(rules)-1].re.MatchString("") {
			return errors.New("the last fallback rule of a kind has to match any type")
		}
	}
	return f.try()
}

// try uses every rule once, so that classify cannot fail.
func (f *fallback) try() error {
	object := f.objects[len(f.objects)-1].cells
	for _, verb := range f.verbs {
		if _, err := makeType("x.y", verb.cells, object); err != nil {
			return fmt.Errorf("fallback rule %s: %w", verb.cells["order"], err)
		}
	}
	verb := f.verbs[len(f.verbs)-1].cells
	for _, object := range f.objects {
		if _, err := makeType("x.y", verb, object.cells); err != nil {
			return fmt.Errorf("fallback rule %s: %w", object.cells["order"], err)
		}
	}
	return nil
}

// classify returns the class of a type that is not listed.
func (f *fallback) classify(name string) *EventType {
	f.mu.RLock()
	t := f.seen[name]
	f.mu.RUnlock()
	if t != nil {
		return t
	}
	name = strings.Clone(name) // it may be a part of something large
	end := name[max(0, len(name)-longType):]
	t, err := makeType(end, match(f.verbs, end), match(f.objects, end))
	if err != nil {
		panic("classify an event type: " + err.Error()) // try would have said so
	}
	t.Type = name
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) < seenTypes && len(name) <= longType {
		if f.seen == nil {
			f.seen = make(map[string]*EventType)
		}
		f.seen[name] = t
	}
	return t
}

// match returns the first rule that matches; the last one matches anything.
func match(rules []rule, name string) row {
	for _, r := range rules[:len(rules)-1] {
		if r.re.MatchString(name) {
			return r.cells
		}
	}
	return rules[len(rules)-1].cells
}

// makeType makes a type of its verb's and its object's row.
func makeType(name string, verb, object row) (*EventType, error) {
	t := &EventType{Type: name, Feed: "organization"}
	noun, tenant := strings.CutPrefix(name, "tenant.")
	if tenant {
		t.Feed = "tenant"
	}
	last := noun
	if i := strings.LastIndexByte(noun, '.'); i >= 0 {
		noun, last = noun[:i], noun[i+1:]
	}
	t.ObjectType = strings.ReplaceAll(noun, ".", "_")
	if t.ObjectType == "" {
		t.ObjectType = "unknown"
	}
	// The verb's cells win, so they are applied last. An object's row has only
	// the area, and only where the verb's row leaves it open.
	area := row{}
	for _, column := range []string{"ecs_category", "cim_change_type"} {
		if verb["cim_model"] != "Authentication" || column == "ecs_category" {
			area[column] = object[column]
		}
	}
	if err := area.apply(t); err != nil {
		return nil, err
	}
	if err := verb.apply(t); err != nil {
		return nil, err
	}
	t.Note = verb["note"]
	if t.OCSF.ActivityName == "" {
		t.OCSF.ActivityName = last
	}
	t.place()
	return t, t.derive()
}

// place sets what follows from the class: which attribute holds the object, and
// the data set, which is the accounts' if and only if the object is a user.
func (t *EventType) place() {
	const authentication = 3002
	t.OCSF.RequiredTarget, t.OCSF.EntityTypeID = []string{"entity"}, 99
	if t.OCSF.ClassUID == authentication {
		t.OCSF.RequiredTarget, t.OCSF.EntityTypeID = []string{"user"}, 0
	}
	if t.CIM.Model != "Change" {
		return
	}
	t.CIM.ObjectCategory = t.ObjectType
	if t.ObjectType == "user" {
		t.CIM.Dataset, t.CIM.Tags = "Account_Management", []string{"change", "account"}
	}
}
