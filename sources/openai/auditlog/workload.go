package auditlog

import "encoding/json"

// WorkloadIdentityProviderCreated is the payload of
// workload_identity_provider.created: tokens of an outside issuer are trusted.
type WorkloadIdentityProviderCreated struct {
	ID string `json:"id,omitzero"`
	// Data is the configuration: free JSON.
	Data  json.RawMessage `json:"data,omitzero"`
	Extra Extra           `json:"-"`
}

// WorkloadIdentityProviderUpdated is the payload of
// workload_identity_provider.updated.
type WorkloadIdentityProviderUpdated struct {
	ID string `json:"id,omitzero"`
	// ChangesRequested is free JSON.
	ChangesRequested json.RawMessage `json:"changes_requested,omitzero"`
	Extra            Extra           `json:"-"`
}

// WorkloadIdentityProviderDeleted is the payload of
// workload_identity_provider.deleted.
type WorkloadIdentityProviderDeleted struct {
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Extra Extra  `json:"-"`
}

// WorkloadIdentityProviderMappingCreated is the payload of
// workload_identity_provider_mapping.created: workloads of an issuer act as a service
// account.
type WorkloadIdentityProviderMappingCreated struct {
	ID                 string `json:"id,omitzero"`
	IdentityProviderID string `json:"identity_provider_id,omitzero"`
	// Data is the mapping: free JSON.
	Data  json.RawMessage `json:"data,omitzero"`
	Extra Extra           `json:"-"`
}

// WorkloadIdentityProviderMappingUpdated is the payload of
// workload_identity_provider_mapping.updated.
type WorkloadIdentityProviderMappingUpdated struct {
	ID                 string `json:"id,omitzero"`
	IdentityProviderID string `json:"identity_provider_id,omitzero"`
	// ChangesRequested is free JSON.
	ChangesRequested json.RawMessage `json:"changes_requested,omitzero"`
	Extra            Extra           `json:"-"`
}

// WorkloadIdentityProviderMappingDeleted is the payload of
// workload_identity_provider_mapping.deleted.
type WorkloadIdentityProviderMappingDeleted struct {
	ID                 string `json:"id,omitzero"`
	IdentityProviderID string `json:"identity_provider_id,omitzero"`
	ProjectID          string `json:"project_id,omitzero"`
	ServiceAccountID   string `json:"service_account_id,omitzero"`
	Extra              Extra  `json:"-"`
}
