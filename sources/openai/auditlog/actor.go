package auditlog

// Actor is who acted: somebody in a session, or an API key.
type Actor struct {
	// Type is "session" or "api_key", and names the field that is set. There may be
	// other types.
	Type    string   `json:"type,omitzero"`
	Session *Session `json:"session,omitzero"`
	APIKey  *APIKey  `json:"api_key,omitzero"`
	Extra   Extra    `json:"-"`
}

// Session is somebody who came through the web.
type Session struct {
	// User is who was signed in; nil where nobody was, as in a failed login.
	User *User `json:"user,omitzero"`
	// IPAddress is an IPv4 or IPv6 address.
	IPAddress string `json:"ip_address,omitzero"`
	// UserAgent is the client's name for itself. OpenAI's examples and live entries
	// have it.
	UserAgent string `json:"user_agent,omitzero" audit:"undocumented"`
	// JA3 is the MD5 fingerprint of the client's TLS hello: 32 hex digits, missing
	// over QUIC. OpenAI's examples and live entries have it.
	JA3 string `json:"ja3,omitzero" audit:"undocumented"`
	// JA4 is the newer fingerprint of the same. OpenAI's examples and live entries
	// have it.
	JA4 string `json:"ja4,omitzero" audit:"undocumented"`
	// IPAddressDetails is where the address is. OpenAI's examples and live entries
	// have it, not always with all fields.
	IPAddressDetails *IPAddressDetails `json:"ip_address_details,omitzero" audit:"undocumented"`
	Extra            Extra             `json:"-"`
}

// IPAddressDetails is where an address is. All fields are texts, the numbers too.
// None is documented.
type IPAddressDetails struct {
	// Country is an ISO 3166 code of two letters.
	Country    string `json:"country,omitzero" audit:"undocumented"`
	City       string `json:"city,omitzero" audit:"undocumented"`
	Region     string `json:"region,omitzero" audit:"undocumented"`
	RegionCode string `json:"region_code,omitzero" audit:"undocumented"`
	// ASN is the number of the autonomous system, without "AS".
	ASN string `json:"asn,omitzero" audit:"undocumented"`
	// Latitude and Longitude are decimal degrees.
	Latitude  string `json:"latitude,omitzero" audit:"undocumented"`
	Longitude string `json:"longitude,omitzero" audit:"undocumented"`
	Extra     Extra  `json:"-"`
}

// APIKey is a key that acted for a user or a service account. Entries of keys have
// no address.
type APIKey struct {
	// ID is the key's tracking id, not the key. OpenAI's example leaves it out.
	ID string `json:"id,omitzero"`
	// Type is "user" or "service_account", and names the field that is set.
	Type           string          `json:"type,omitzero"`
	User           *User           `json:"user,omitzero"`
	ServiceAccount *ServiceAccount `json:"service_account,omitzero"`
	Extra          Extra           `json:"-"`
}

// User is a person.
type User struct {
	ID    string `json:"id,omitzero"`
	Email string `json:"email,omitzero"`
	Extra Extra  `json:"-"`
}

// ServiceAccount is an identity that is nobody's.
type ServiceAccount struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}
