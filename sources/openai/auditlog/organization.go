package auditlog

// OrganizationUpdated is the payload of organization.updated.
type OrganizationUpdated struct {
	// ID is the organization's.
	ID               string               `json:"id,omitzero"`
	ChangesRequested *OrganizationChanges `json:"changes_requested,omitzero"`
	Extra            Extra                `json:"-"`
}

// OrganizationChanges is what was asked for; nil: not to be changed.
type OrganizationChanges struct {
	Title       *string `json:"title,omitzero"`
	Description *string `json:"description,omitzero"`
	Name        *string `json:"name,omitzero"`
	// ThreadsUIVisibility is "ANY_ROLE", "OWNERS" or "NONE".
	ThreadsUIVisibility *string `json:"threads_ui_visibility,omitzero"`
	// UsageDashboardVisibility is "ANY_ROLE" or "OWNERS".
	UsageDashboardVisibility *string `json:"usage_dashboard_visibility,omitzero"`
	// APICallLogging is "disabled", "enabled_per_call", "enabled_for_all_projects" or
	// "enabled_for_selected_projects".
	APICallLogging *string `json:"api_call_logging,omitzero"`
	// APICallLoggingProjectIDs is called a list and specified as a text. A list is in
	// Extra.
	APICallLoggingProjectIDs *string `json:"api_call_logging_project_ids,omitzero"`
	Extra                    Extra   `json:"-"`
}

// ProjectCreated is the payload of project.created.
type ProjectCreated struct {
	ID    string              `json:"id,omitzero"`
	Data  *ProjectCreatedData `json:"data,omitzero"`
	Extra Extra               `json:"-"`
}

// ProjectCreatedData is what the project was made with. Title is what people see.
type ProjectCreatedData struct {
	Name  string `json:"name,omitzero"`
	Title string `json:"title,omitzero"`
	Extra Extra  `json:"-"`
}

// ProjectUpdated is the payload of project.updated.
type ProjectUpdated struct {
	ID               string          `json:"id,omitzero"`
	ChangesRequested *ProjectChanges `json:"changes_requested,omitzero"`
	Extra            Extra           `json:"-"`
}

// ProjectChanges is what was asked for; nil: not to be changed.
type ProjectChanges struct {
	Title *string `json:"title,omitzero"`
	Extra Extra   `json:"-"`
}

// ProjectArchived is the payload of project.archived.
type ProjectArchived struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// ProjectDeleted is the payload of project.deleted.
type ProjectDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// RateLimitUpdated is the payload of rate_limit.updated.
type RateLimitUpdated struct {
	// ID is "rl-" and a model's name in published entries.
	ID               string            `json:"id,omitzero"`
	ChangesRequested *RateLimitChanges `json:"changes_requested,omitzero"`
	Extra            Extra             `json:"-"`
}

// RateLimitChanges is what was asked for; nil: not to be changed.
type RateLimitChanges struct {
	MaxRequestsPer1Minute       *int64 `json:"max_requests_per_1_minute,omitzero"`
	MaxTokensPer1Minute         *int64 `json:"max_tokens_per_1_minute,omitzero"`
	MaxImagesPer1Minute         *int64 `json:"max_images_per_1_minute,omitzero"`
	MaxAudioMegabytesPer1Minute *int64 `json:"max_audio_megabytes_per_1_minute,omitzero"`
	MaxRequestsPer1Day          *int64 `json:"max_requests_per_1_day,omitzero"`
	Batch1DayMaxInputTokens     *int64 `json:"batch_1_day_max_input_tokens,omitzero"`
	Extra                       Extra  `json:"-"`
}

// RateLimitDeleted is the payload of rate_limit.deleted.
type RateLimitDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}

// CheckpointPermissionCreated is the payload of checkpoint.permission.created, which
// was checkpoint_permission.created: a project may use another one's model.
type CheckpointPermissionCreated struct {
	ID    string                           `json:"id,omitzero"`
	Data  *CheckpointPermissionCreatedData `json:"data,omitzero"`
	Extra Extra                            `json:"-"`
}

// CheckpointPermissionCreatedData is which project got which model.
type CheckpointPermissionCreatedData struct {
	ProjectID                string `json:"project_id,omitzero"`
	FineTunedModelCheckpoint string `json:"fine_tuned_model_checkpoint,omitzero"`
	Extra                    Extra  `json:"-"`
}

// CheckpointPermissionDeleted is the payload of checkpoint.permission.deleted, which
// was checkpoint_permission.deleted.
type CheckpointPermissionDeleted struct {
	ID    string `json:"id,omitzero"`
	Extra Extra  `json:"-"`
}
