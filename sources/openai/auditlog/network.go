package auditlog

// IPAllowlistCreated is the payload of ip_allowlist.created.
type IPAllowlistCreated struct {
	ID   string `json:"id,omitzero"`
	Name string `json:"name,omitzero"`
	// AllowedIPs are addresses and CIDR ranges.
	AllowedIPs []string `json:"allowed_ips,omitzero"`
	Extra      Extra    `json:"-"`
}

// IPAllowlistUpdated is the payload of ip_allowlist.updated.
type IPAllowlistUpdated struct {
	ID string `json:"id,omitzero"`
	// AllowedIPs are addresses and CIDR ranges, as they are to be.
	AllowedIPs []string `json:"allowed_ips,omitzero"`
	Extra      Extra    `json:"-"`
}

// IPAllowlistDeleted is the payload of ip_allowlist.deleted.
type IPAllowlistDeleted struct {
	ID   string `json:"id,omitzero"`
	Name string `json:"name,omitzero"`
	// AllowedIPs are the addresses and CIDR ranges that it had.
	AllowedIPs []string `json:"allowed_ips,omitzero"`
	Extra      Extra    `json:"-"`
}

// IPAllowlistConfigActivated is the payload of ip_allowlist.config.activated. It has
// no id of its own.
type IPAllowlistConfigActivated struct {
	Configs []IPAllowlistConfig `json:"configs,omitzero"`
	Extra   Extra               `json:"-"`
}

// IPAllowlistConfigDeactivated is the payload of ip_allowlist.config.deactivated. It
// has no id of its own.
type IPAllowlistConfigDeactivated struct {
	Configs []IPAllowlistConfig `json:"configs,omitzero"`
	Extra   Extra               `json:"-"`
}

// IPAllowlistConfig is one of several.
type IPAllowlistConfig struct {
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Extra Extra  `json:"-"`
}

// LoginSucceeded is the payload of login.succeeded: none is documented, and live
// entries have no key for it. Who signed in is the actor.
type LoginSucceeded struct {
	Extra Extra `json:"-"`
}

// LoginFailed is the payload of login.failed. The actor may have no user.
type LoginFailed struct {
	ErrorCode    string `json:"error_code,omitzero"`
	ErrorMessage string `json:"error_message,omitzero"`
	Extra        Extra  `json:"-"`
}

// LogoutSucceeded is the payload of logout.succeeded: none is documented.
type LogoutSucceeded struct {
	Extra Extra `json:"-"`
}

// LogoutFailed is the payload of logout.failed.
type LogoutFailed struct {
	ErrorCode    string `json:"error_code,omitzero"`
	ErrorMessage string `json:"error_message,omitzero"`
	Extra        Extra  `json:"-"`
}
