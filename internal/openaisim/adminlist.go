package openaisim

import (
	"fmt"
	"net/http"
)

// adminList is a listing of the organization's administration, of one element.
type adminList struct{ element, scope string }

// adminLists are there if Config.KeyRights is set.
var adminLists = map[string]adminList{
	"/v1/organization/users":          {`{"object":"organization.user","id":"user-simulator","role":"owner"}`, "api.users.read"},
	"/v1/organization/admin_api_keys": {`{"object":"organization.admin_api_key","id":"key_simulator","redacted_value":"sk-admin...tor"}`, "api.admin_keys.read"},
}

func (c *Config) adminList(r *http.Request, l adminList) answer {
	if refused := c.authorize(r); refused != nil {
		return refused.answer()
	}
	if c.KeyRights != RightsAll {
		return apiError{status: http.StatusForbidden, message: "You have insufficient permissions for this operation. Missing scopes: " + l.scope}.answer()
	}
	return answer{status: http.StatusOK, body: fmt.Appendf(nil, `{"object":"list","data":[%s],"has_more":false}`, l.element)}
}
