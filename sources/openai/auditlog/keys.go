package auditlog

import "encoding/json"

// APIKeyCreated is the payload of api_key.created.
type APIKeyCreated struct {
	// ID is the key's tracking id, not the key.
	ID    string             `json:"id,omitzero"`
	Data  *APIKeyCreatedData `json:"data,omitzero"`
	Extra Extra              `json:"-"`
}

// APIKeyCreatedData is what the key was made with.
type APIKeyCreatedData struct {
	// Name is the key's. Others have published entries with it.
	Name   string   `json:"name,omitzero" audit:"undocumented"`
	Scopes []string `json:"scopes,omitzero"`
	Extra  Extra    `json:"-"`
}

// APIKeyUpdated is the payload of api_key.updated.
type APIKeyUpdated struct {
	ID               string         `json:"id,omitzero"`
	ChangesRequested *APIKeyChanges `json:"changes_requested,omitzero"`
	// Data is where OpenAI's own example and published entries have the scopes, in
	// place of ChangesRequested. Accept both.
	Data  *APIKeyChanges `json:"data,omitzero" audit:"undocumented"`
	Extra Extra          `json:"-"`
}

// APIKeyChanges is what was asked for, which need not have been applied.
type APIKeyChanges struct {
	Scopes []string `json:"scopes,omitzero"`
	Extra  Extra    `json:"-"`
}

// APIKeyDeleted is the payload of api_key.deleted.
type APIKeyDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// CertificateCreated is the payload of certificate.created: a trust anchor for mTLS
// was uploaded. It takes effect with certificates.activated.
type CertificateCreated struct {
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Extra Extra  `json:"-"`
}

// CertificateUpdated is the payload of certificate.updated.
type CertificateUpdated struct {
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Extra Extra  `json:"-"`
}

// CertificateDeleted is the payload of certificate.deleted.
type CertificateDeleted struct {
	ID   string `json:"id,omitzero"`
	Name string `json:"name,omitzero"`
	// Certificate is the PEM text: kilobytes, in many lines.
	Certificate string `json:"certificate,omitzero"`
	Extra       Extra  `json:"-"`
}

// CertificatesActivated is the payload of certificates.activated. It has no id of
// its own.
type CertificatesActivated struct {
	Certificates []Certificate `json:"certificates,omitzero"`
	Extra        Extra         `json:"-"`
}

// CertificatesDeactivated is the payload of certificates.deactivated. It has no id
// of its own.
type CertificatesDeactivated struct {
	Certificates []Certificate `json:"certificates,omitzero"`
	Extra        Extra         `json:"-"`
}

// Certificate is one of several.
type Certificate struct {
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Extra Extra  `json:"-"`
}

// ExternalKeyRegistered is the payload of external_key.registered: a key of the
// customer's key management encrypts the organization's data.
type ExternalKeyRegistered struct {
	ID string `json:"id,omitzero"`
	// Data is the configuration: free JSON.
	Data  json.RawMessage `json:"data,omitzero"`
	Extra Extra           `json:"-"`
}

// ExternalKeyRemoved is the payload of external_key.removed.
type ExternalKeyRemoved struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}
