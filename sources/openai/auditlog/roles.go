package auditlog

import "encoding/json"

// RoleCreated is the payload of role.created.
type RoleCreated struct {
	ID          string   `json:"id,omitzero"`
	RoleName    string   `json:"role_name,omitzero"`
	Permissions []string `json:"permissions,omitzero"`
	// ResourceType and ResourceID are what the role is for, such as
	// "api.organization" and its id.
	ResourceType string `json:"resource_type,omitzero"`
	ResourceID   string `json:"resource_id,omitzero"`
	Extra        Extra  `json:"-"`
}

// RoleUpdated is the payload of role.updated.
type RoleUpdated struct {
	ID               string          `json:"id,omitzero"`
	ChangesRequested *RoleDefinition `json:"changes_requested,omitzero"`
	Extra            Extra           `json:"-"`
}

// RoleDefinition is what was asked for of a role; nil: not to be changed.
type RoleDefinition struct {
	RoleName           *string  `json:"role_name,omitzero"`
	ResourceID         *string  `json:"resource_id,omitzero"`
	ResourceType       *string  `json:"resource_type,omitzero"`
	PermissionsAdded   []string `json:"permissions_added,omitzero"`
	PermissionsRemoved []string `json:"permissions_removed,omitzero"`
	Description        *string  `json:"description,omitzero"`
	// Metadata is free JSON.
	Metadata json.RawMessage `json:"metadata,omitzero"`
	Extra    Extra           `json:"-"`
}

// RoleDeleted is the payload of role.deleted.
type RoleDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// RoleAssignmentCreated is the payload of role.assignment.created.
type RoleAssignmentCreated struct {
	// ID is the assignment's. In an entry that was published it is made of the role,
	// the resource's type and id, and the principal; the role is nowhere else.
	ID          string `json:"id,omitzero"`
	PrincipalID string `json:"principal_id,omitzero"`
	// PrincipalType is "user" or "group".
	PrincipalType string `json:"principal_type,omitzero"`
	ResourceID    string `json:"resource_id,omitzero"`
	// ResourceType is "api.organization" or "api.project" in published entries.
	ResourceType string `json:"resource_type,omitzero"`
	Extra        Extra  `json:"-"`
}

// RoleAssignmentDeleted is the payload of role.assignment.deleted: as that of
// [RoleAssignmentCreated].
type RoleAssignmentDeleted struct {
	ID            string `json:"id,omitzero"`
	PrincipalID   string `json:"principal_id,omitzero"`
	PrincipalType string `json:"principal_type,omitzero"`
	ResourceID    string `json:"resource_id,omitzero"`
	ResourceType  string `json:"resource_type,omitzero"`
	Extra         Extra  `json:"-"`
}

// RoleBoundToResource is the payload of role.bound_to_resource, which is in the
// tenant's listing: holders of the role may use a connector of a workspace.
type RoleBoundToResource struct {
	// ID is the resource's, not the role's: WORKSPACE__CONNECTOR.
	ID            string   `json:"id,omitzero"`
	RoleID        string   `json:"role_id,omitzero"`
	ResourceID    string   `json:"resource_id,omitzero"`
	ResourceType  string   `json:"resource_type,omitzero"`
	Permissions   []string `json:"permissions,omitzero"`
	WorkspaceID   string   `json:"workspace_id,omitzero"`
	ConnectorID   string   `json:"connector_id,omitzero"`
	ConnectorName string   `json:"connector_name,omitzero"`
	Enabled       *bool    `json:"enabled,omitzero"`
	// Source is "role_toggle", "role_connector_update", "role_delete",
	// "workspace_permissions" or "connector_publish".
	Source string `json:"source,omitzero"`
	Extra  Extra  `json:"-"`
}

// RoleUnboundFromResource is the payload of role.unbound_from_resource: as that of
// [RoleBoundToResource].
type RoleUnboundFromResource struct {
	ID            string   `json:"id,omitzero"`
	RoleID        string   `json:"role_id,omitzero"`
	ResourceID    string   `json:"resource_id,omitzero"`
	ResourceType  string   `json:"resource_type,omitzero"`
	Permissions   []string `json:"permissions,omitzero"`
	WorkspaceID   string   `json:"workspace_id,omitzero"`
	ConnectorID   string   `json:"connector_id,omitzero"`
	ConnectorName string   `json:"connector_name,omitzero"`
	Enabled       *bool    `json:"enabled,omitzero"`
	Source        string   `json:"source,omitzero"`
	Extra         Extra    `json:"-"`
}
