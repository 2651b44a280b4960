package strictyaml

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Join returns the path of key below path. A key that starts with "[" is an index.
func Join(path, key string) string {
	switch {
	case path == "" || key == "":
		return path + key
	case strings.HasPrefix(key, "["):
		return path + key
	}
	return path + "." + key
}

// Index returns the path of the i-th element below path.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Position returns where path lies in n: the place of its value, or of the
// nearest part of the path that exists. It returns 0, 0 if n is nil.
func Position(n *yaml.Node, path string) (line, column int) {
	if n == nil {
		return 0, 0
	}
	n = resolve(n)
	for path != "" {
		var next *yaml.Node
		next, path = step(n, path)
		if next == nil {
			break
		}
		n = next
	}
	return n.Line, n.Column
}

// Has reports whether something lies at path in n.
func Has(n *yaml.Node, path string) bool {
	if n == nil {
		return false
	}
	n = resolve(n)
	for path != "" && n != nil {
		n, path = step(n, path)
	}
	return n != nil
}

// step takes the first part of path off and returns the node it names in n, or nil.
func step(n *yaml.Node, path string) (next *yaml.Node, rest string) {
	if strings.HasPrefix(path, "[") {
		index, rest, _ := strings.Cut(path[1:], "]")
		i, err := strconv.Atoi(index)
		if err != nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
			return nil, ""
		}
		return resolve(n.Content[i]), strings.TrimPrefix(rest, ".")
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	key, rest := path[:end], strings.TrimPrefix(path[end:], ".")
	if n.Kind != yaml.MappingNode {
		return nil, ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return valueOrKey(n.Content[i], n.Content[i+1]), rest
		}
	}
	return nil, ""
}

// valueOrKey returns the value's node, or the key's where the value is empty and
// has no place of its own.
func valueOrKey(key, value *yaml.Node) *yaml.Node {
	v := resolve(value)
	if v.Kind == yaml.ScalarNode && v.Value == "" && v.Style == 0 {
		return key
	}
	return v
}

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}
