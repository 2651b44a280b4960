package elasticsearch

import (
	"strings"

	"auditlog-connector/schemas/ecs"
)

// ignoreAbove is from which length on a keyword is kept and not indexed.
const ignoreAbove = 1024

// mappings returns the mapping of documents of schema. Texts are never taken for
// dates by what they look like, and no document adds fields without end.
func mappings(schema string, stream bool) map[string]any {
	m := map[string]any{"date_detection": false, "numeric_detection": false}
	keep := map[string]any{"type": "object", "enabled": false} // whatever it is, it is kept and not indexed
	switch schema {
	case "ecs":
		// What is not in the table is kept and not indexed.
		m["dynamic"], m["properties"] = false, ecsProperties(stream)
		return m
	case "normalized":
		m["properties"] = map[string]any{
			"effective_at": dated, "details": keep, "raw": keep, "changes": keep,
			"targets": map[string]any{"properties": map[string]any{"type": keyword(), "id": keyword(), "name": keyword()}},
		}
	case "ocsf":
		m["properties"] = map[string]any{"time": dated, "unmapped": keep, "raw_data": unindexed}
	case "cim":
		m["properties"] = map[string]any{"raw": unindexed}
	case "raw":
		// The source may send anything: only what every entry has is indexed.
		m["dynamic"] = false
		m["properties"] = map[string]any{
			"id": keyword(), "type": keyword(), "object": keyword(),
			"effective_at": map[string]any{"type": "date", "format": "epoch_second", "ignore_malformed": true},
		}
		return m
	}
	m["dynamic_templates"] = []any{map[string]any{"texts": map[string]any{"match_mapping_type": "string", "mapping": keyword()}}}
	return m
}

var (
	dated     = map[string]any{"type": "date"}
	unindexed = map[string]any{"type": "keyword", "index": false, "doc_values": false}
)

func keyword() map[string]any { return map[string]any{"type": "keyword", "ignore_above": ignoreAbove} }

// ecsProperties returns the properties of every field of the ECS documents.
func ecsProperties(stream bool) map[string]any {
	root := make(map[string]any)
	for _, row := range ecs.Table() {
		var field map[string]any
		switch {
		case row.Field == "event.original":
			field = unindexed
		case row.Type == "keyword":
			field = keyword()
		default:
			field = map[string]any{"type": row.Type}
		}
		place(root, row.Field, field)
	}
	if stream {
		for _, name := range []string{"type", "dataset", "namespace"} {
			place(root, "data_stream."+name, keyword())
		}
	}
	return root
}

// place puts field into the properties under its name with dots.
func place(properties map[string]any, name string, field map[string]any) {
	first, rest, nested := strings.Cut(name, ".")
	if !nested {
		properties[name] = field
		return
	}
	object, ok := properties[first].(map[string]any)
	if !ok {
		object = map[string]any{"properties": make(map[string]any)}
		properties[first] = object
	}
	place(object["properties"].(map[string]any), rest, field)
}
