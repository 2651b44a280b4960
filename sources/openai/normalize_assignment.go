package openai

import "strings"

// assignment is a role given to a principal for a resource.
type assignment struct {
	role, resourceType, resource, principalType, principal string
}

// fill takes what is not known yet from the id of the assignment, if it has the
// form seen in live logs; of any other id it takes nothing.
//
//	role_assignment_ROLE__RESOURCE-TYPE__RESOURCE_PRINCIPAL
//
// Resources and principals may have underscores themselves. So the last part is
// divided where a part that is known ends, or else before a principal's prefix.
func (a *assignment) fill(id string) {
	if rest, ok := strings.CutPrefix(id, "role_assignment_"); ok {
		role, rest, _ := strings.Cut(rest, "__")
		kind, last, ok := strings.Cut(rest, "__")
		if resource, principal, divided := a.divide(last); ok && divided && role != "" && kind != "" {
			a.role = or(a.role, role)
			// api-organization in the id is api.organization in the payload.
			a.resourceType = or(a.resourceType, strings.ReplaceAll(kind, "-", "."))
			a.resource = or(a.resource, resource)
			a.principal = or(a.principal, principal)
		}
	}
	a.resourceType = or(a.resourceType, "resource")
	if a.principalType == "" {
		a.principalType = kindUser
		if strings.HasPrefix(a.principal, "group") {
			a.principalType = "group"
		}
	}
}

// divide parts RESOURCE_PRINCIPAL.
func (a *assignment) divide(s string) (resource, principal string, ok bool) {
	if rest, ok := strings.CutPrefix(s, a.resource+"_"); ok && a.resource != "" && rest != "" {
		return a.resource, rest, true
	}
	if rest, ok := strings.CutSuffix(s, "_"+a.principal); ok && a.principal != "" && rest != "" {
		return rest, a.principal, true
	}
	for _, prefix := range []string{"_user-", "_group-", "_group_", "_user_"} {
		if i := strings.LastIndex(s, prefix); i > 0 {
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
