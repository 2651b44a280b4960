package openaisim

// Order is how a listing is ordered, which the API does not document.
type Order string

const (
	OrderNewest   Order = "newest"   // newest first; the parameter order is unknown. The default
	OrderHonoured Order = "honoured" // newest first unless order=asc
	OrderOldest   Order = "oldest"   // always oldest first
	OrderNone     Order = "none"     // in no order of time, but always the same
)

// TieOrder is how the entries of one second are ordered. It cannot be changed
// after [New].
type TieOrder string

const (
	TieRandom   TieOrder = "random"   // by a hash of the entry, the same on every call. The default
	TieSequence TieOrder = "sequence" // in the order in which they were published
	TieChanging TieOrder = "changing" // another order on every call: a second cut by a page end shows entries twice or never
)

// BeforeMeaning is what the parameter before does.
type BeforeMeaning string

const (
	BeforeNewer BeforeMeaning = "newer" // the page that ends just above the cursor, as documented. The default
	BeforeOlder BeforeMeaning = "older" // the same as after, as one public client has it
)

// CursorAnswer is the answer to a cursor that names no entry of the listing.
type CursorAnswer string

const (
	CursorBadRequest CursorAnswer = "400"   // the default
	CursorNotFound   CursorAnswer = "404"   //
	CursorEmpty      CursorAnswer = "empty" // a page without entries and without more
)

// Logging says whether the organization has audit logging switched on.
type Logging string

const (
	LoggingOn       Logging = "on"        // the default
	LoggingOffEmpty Logging = "off"       // 200 and an empty list
	LoggingOffError Logging = "off-error" // 403
)

// Rights is what the admin key may do beside reading the audit log.
type Rights string

const (
	RightsUnknown   Rights = ""           // 404: there is nothing but the audit log
	RightsAuditLogs Rights = "audit-logs" // 403 for the organization's users and admin keys
	RightsAll       Rights = "all"        // lists them
)

// Refusal is a reason not to answer, as the error-code guide lists them.
type Refusal string

const (
	RefuseNone       Refusal = ""
	RefuseKey        Refusal = "key"         // 401 invalid_api_key: revoked or never valid
	RefuseMember     Refusal = "member"      // 401: not a member of an organization
	RefuseMismatch   Refusal = "mismatch"    // 401: the header names another organization than the key's
	RefuseIP         Refusal = "ip"          // 401: the address is not on the organization's list
	RefuseScope      Refusal = "scope"       // 401, bare string: the key lacks api.audit_logs.read
	RefuseScope403   Refusal = "scope-403"   // 403, error object: the same
	RefuseCountry    Refusal = "country"     // 403: unsupported country
	RefuseQuota      Refusal = "quota"       // 429 insufficient_quota without Retry-After: waiting does not help
	RefuseBadRequest Refusal = "bad-request" // 400: the listing cannot be asked for here
	RefuseNotFound   Refusal = "not-found"   // 404
)
