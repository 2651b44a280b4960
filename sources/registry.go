package sources

import (
	"maps"
	"slices"
)

// Registry holds the kinds of sources that a program has, by name. It does not
// change after [NewRegistry] and may be used concurrently.
type Registry struct{ types map[string]Type }

// NewRegistry returns a registry of types. It panics if two have one name.
func NewRegistry(types ...Type) *Registry {
	r := &Registry{types: make(map[string]Type, len(types))}
	for _, t := range types {
		if _, ok := r.types[t.name]; ok {
			panic("sources: type " + t.name + " is registered twice")
		}
		r.types[t.name] = t
	}
	return r
}

// Lookup returns the type of that name, and whether there is one.
func (r *Registry) Lookup(name string) (Type, bool) {
	t, ok := r.types[name]
	return t, ok
}

// Names returns the names of all types, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.types)) }
