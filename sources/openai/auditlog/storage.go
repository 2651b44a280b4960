package auditlog

// ExternalStorageRegistered is the payload of external_storage.registered: data of
// the organization is kept in a bucket of its own.
type ExternalStorageRegistered struct {
	ID    string               `json:"id,omitzero"`
	Data  *ExternalStorageData `json:"data,omitzero"`
	Extra Extra                `json:"-"`
}

// ExternalStorageData is where the storage is.
type ExternalStorageData struct {
	Geography string           `json:"geography,omitzero"`
	Provider  *StorageProvider `json:"provider,omitzero"`
	Extra     Extra            `json:"-"`
}

// StorageProvider is a bucket or container at one of four providers. Each has some
// of the fields:
//
//	aws    AccountID, Bucket, ExternalID, Region, RoleARN
//	azure  AccountName, Container, Region, ResourceGroup, SubscriptionID, TenantID
//	gcp    Audience, Bucket, Region, WorkloadIdentity…
//	oci    Bucket, Region, TenancyOCID
type StorageProvider struct {
	// Type is "aws", "azure", "gcp" or "oci".
	Type                          string `json:"type,omitzero"`
	AccountID                     string `json:"account_id,omitzero"`
	AccountName                   string `json:"account_name,omitzero"`
	Audience                      string `json:"audience,omitzero"`
	Bucket                        string `json:"bucket,omitzero"`
	Container                     string `json:"container,omitzero"`
	ExternalID                    string `json:"external_id,omitzero"`
	Region                        string `json:"region,omitzero"`
	ResourceGroup                 string `json:"resource_group,omitzero"`
	RoleARN                       string `json:"role_arn,omitzero"`
	SubscriptionID                string `json:"subscription_id,omitzero"`
	TenancyOCID                   string `json:"tenancy_ocid,omitzero"`
	TenantID                      string `json:"tenant_id,omitzero"`
	WorkloadIdentityPoolID        string `json:"workload_identity_pool_id,omitzero"`
	WorkloadIdentityProjectNumber string `json:"workload_identity_project_number,omitzero"`
	WorkloadIdentityProviderID    string `json:"workload_identity_provider_id,omitzero"`
	Extra                         Extra  `json:"-"`
}

// ExternalStorageRemoved is the payload of external_storage.removed.
type ExternalStorageRemoved struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}
