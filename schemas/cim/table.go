package cim

// Row says of one field of the documents where it comes from.
type Row struct {
	Field string
	// Model is the data model that has the field, or the data set if only one has
	// it; both models are "all". Empty: the field is ours.
	Model string
	From  string // of the record, or a constant
}

// Table returns every field that a document may have, in the order in which they are
// written. The caller may keep it.
//
// A field is in a document if the event has something for it. All are texts, but
// raw_base64, which is true.
func Table() []Row { return append([]Row(nil), table...) }

const constant = "constant: "

var table = []Row{
	{"effective_at", "", "effective_at"},
	{"event_id", "", "event_id"},
	{"event_type", "", "event_type"},
	{"stream", "", "stream"},
	{"severity", "", "severity"},
	{"severity_reason", "", "severity_reason"},
	{"vendor_product", "Change", constant + "OpenAI API Platform; in Authentication too"},
	{"vendor_account", "all", "organization_id"},
	{"action", "all", "catalogue: cim_action"},
	{"src", "all", "actor.ip"},
	{"dest", "all", "organization_id, else in Change project.id, else openai.com"},
	{"user_agent", "all", "actor.user_agent"},
	{"api_key_id", "", "actor.api_key_id"},
	{"project_id", "", "project.id"},
	{"app", "Authentication", constant + "openai"},
	{"signature", "Authentication", "event_type"},
	{"signature_id", "Authentication", "event_type"},
	{"dvc", "Change", constant + "openai"},
	{"change_type", "Change", "catalogue: cim_change_type"},
	{"command", "Change", "event_type"},
	{"object_category", "Change", "catalogue: cim_object_category"},
	{"user", "all", "actor.email, else actor.id; in Account_Management e-mail address, id or name of the account that was acted on"},
	{"user_id", "Authentication", "actor.id"},
	{"user_name", "Change", "actor.name; in Account_Management name of the account that was acted on"},
	{"user_type", "all", "actor.kind, if it is known; in Account_Management type of the account that was acted on"},
	{"src_user", "Account_Management", "actor.email, else actor.id"},
	{"src_user_name", "Account_Management", "actor.name"},
	{"src_user_type", "Account_Management", "actor.kind, if it is known"},
	{"object", "Change", "names, else ids, of the targets that have changed"},
	{"object_id", "Change", "ids of the targets that have changed"},
	{"object_path", "Change", "project.id / id of the first of them"},
	{"object_attrs", "Change", "names of changes; role, if one is given or taken"},
	{"status", "Change", "outcome, if it is known"},
	{"result", "Change", "error.message, else error.code, of a failure"},
	{"result_id", "Change", "error.code of a failure"},
	{"direction", "Network_Changes", constant + "inbound"},
	{"rule_action", "Network_Changes", constant + "allow"},
	{"src_ip_range", "Network_Changes", "changes.allowed_ips"},
	{"principal_type", "", "type of the user, service account or group that a role is given to or taken from"},
	{"principal_id", "", "id of that target"},
	{"role_id", "", "id of the target that is a role"},
	{"resource_type", "", "type of the target that the role is for"},
	{"resource_id", "", "id of that target"},
	{"reason", "Authentication", "error.message, else error.code"},
	{"reason_id", "Authentication", "error.code"},
	{"problems", "", "problems"},
	{"raw", "", "raw; base64 if it is not valid UTF-8"},
	{"raw_base64", "", "raw is base64"},
}
