package auditlog

// GroupCreated is the payload of group.created.
type GroupCreated struct {
	ID    string            `json:"id,omitzero"`
	Data  *GroupCreatedData `json:"data,omitzero"`
	Extra Extra             `json:"-"`
}

// GroupCreatedData is what the group was made with.
type GroupCreatedData struct {
	GroupName string `json:"group_name,omitzero"`
	Extra     Extra  `json:"-"`
}

// GroupUpdated is the payload of group.updated.
type GroupUpdated struct {
	ID               string        `json:"id,omitzero"`
	ChangesRequested *GroupChanges `json:"changes_requested,omitzero"`
	Extra            Extra         `json:"-"`
}

// GroupChanges is what was asked for; nil: not to be changed.
type GroupChanges struct {
	GroupName *string `json:"group_name,omitzero"`
	Extra     Extra   `json:"-"`
}

// GroupDeleted is the payload of group.deleted.
type GroupDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// InviteSent is the payload of invite.sent.
type InviteSent struct {
	ID    string          `json:"id,omitzero"`
	Data  *InviteSentData `json:"data,omitzero"`
	Extra Extra           `json:"-"`
}

// InviteSentData is who was invited, and as what.
type InviteSentData struct {
	Email string `json:"email,omitzero"`
	// Role is "owner" or "member".
	Role  string `json:"role,omitzero"`
	Extra Extra  `json:"-"`
}

// InviteAccepted is the payload of invite.accepted. Who accepted is the actor.
type InviteAccepted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// InviteDeleted is the payload of invite.deleted.
type InviteDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// UserAdded is the payload of user.added.
type UserAdded struct {
	// ID is the user's.
	ID    string         `json:"id,omitzero"`
	Data  *UserAddedData `json:"data,omitzero"`
	Extra Extra          `json:"-"`
}

// UserAddedData is as what the user was added.
type UserAddedData struct {
	// Role is "owner" or "member".
	Role  string `json:"role,omitzero"`
	Extra Extra  `json:"-"`
}

// UserUpdated is the payload of user.updated.
type UserUpdated struct {
	// ID is the user's; the specification calls it the project's, which is taken for
	// a mistake.
	ID               string       `json:"id,omitzero"`
	ChangesRequested *RoleChanges `json:"changes_requested,omitzero"`
	Extra            Extra        `json:"-"`
}

// RoleChanges is what was asked for of an account; nil: not to be changed.
type RoleChanges struct {
	// Role is "owner" or "member".
	Role  *string `json:"role,omitzero"`
	Extra Extra   `json:"-"`
}

// UserDeleted is the payload of user.deleted.
type UserDeleted struct {
	// ID is the user's.
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// ServiceAccountCreated is the payload of service_account.created.
type ServiceAccountCreated struct {
	ID    string                     `json:"id,omitzero"`
	Data  *ServiceAccountCreatedData `json:"data,omitzero"`
	Extra Extra                      `json:"-"`
}

// ServiceAccountCreatedData is as what the account was made.
type ServiceAccountCreatedData struct {
	// Role is "owner" or "member".
	Role  string `json:"role,omitzero"`
	Extra Extra  `json:"-"`
}

// ServiceAccountUpdated is the payload of service_account.updated.
type ServiceAccountUpdated struct {
	ID               string       `json:"id,omitzero"`
	ChangesRequested *RoleChanges `json:"changes_requested,omitzero"`
	Extra            Extra        `json:"-"`
}

// ServiceAccountDeleted is the payload of service_account.deleted.
type ServiceAccountDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// SCIMEnabled is the payload of scim.enabled: a directory provisions accounts.
type SCIMEnabled struct {
	// ID was the organization's in an entry that was published.
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// SCIMDisabled is the payload of scim.disabled.
type SCIMDisabled struct {
	// ID was the organization's in an entry that was published.
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}
