package openaisim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is an error as the API words it.
type apiError struct {
	status  int
	message string
	kind    string // type; empty: invalid_request_error
	code    string // empty: null
	param   string // empty: null
	bare    bool   // the body is {"error":"message"}
}

func (e apiError) body() []byte {
	var b []byte
	var err error
	if e.bare {
		b, err = json.Marshal(map[string]string{"error": e.message})
	} else {
		orNull := func(s string) *string {
			if s == "" {
				return nil
			}
			return &s
		}
		var doc struct {
			Error struct {
				Message string  `json:"message"`
				Type    string  `json:"type"`
				Param   *string `json:"param"`
				Code    *string `json:"code"`
			} `json:"error"`
		}
		doc.Error.Message, doc.Error.Type = e.message, e.kind
		if e.kind == "" {
			doc.Error.Type = "invalid_request_error"
		}
		doc.Error.Param, doc.Error.Code = orNull(e.param), orNull(e.code)
		b, err = json.MarshalIndent(doc, "", "  ")
	}
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(b, '\n')
}

// refusals are the answers to those who are not let in.
var refusals = map[Refusal]apiError{
	RefuseKey:        {status: http.StatusUnauthorized, message: "Incorrect API key provided.", code: "invalid_api_key"},
	RefuseMember:     {status: http.StatusUnauthorized, message: "You must be a member of an organization to use the API."},
	RefuseMismatch:   {status: http.StatusUnauthorized, message: "OpenAI-Organization header does not match the organization of the API key.", code: "mismatched_organization"},
	RefuseIP:         {status: http.StatusUnauthorized, message: "IP not authorized: this address is not on the organization's allowlist.", code: "ip_not_authorized"},
	RefuseScope:      {status: http.StatusUnauthorized, message: missingScope, bare: true},
	RefuseScope403:   {status: http.StatusForbidden, message: missingScope, code: "missing_scope"},
	RefuseCountry:    {status: http.StatusForbidden, message: "Country, region, or territory not supported", kind: "request_forbidden", code: "unsupported_country_region_territory"},
	RefuseQuota:      {status: http.StatusTooManyRequests, message: "The quota of this organization is used up; see its plan and billing details.", kind: "insufficient_quota", code: "insufficient_quota"},
	RefuseBadRequest: {status: http.StatusBadRequest, message: "This listing is not available for this organization."},
	RefuseNotFound:   {status: http.StatusNotFound, message: "This listing does not exist for this organization.", code: "not_found"},
}

const missingScope = "You have insufficient permissions for this operation. Missing scopes: api.audit_logs.read"

func badParameter(name, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...), param: name}
}
