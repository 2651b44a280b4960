package ocsf

import "slices"

// Row says where one attribute comes from.
type Row struct {
	Attribute string // its path; [] stands for every element of a list
	Classes   []int  // class_uid of the classes that have it; nil: all
	From      string // fields of the record, or the catalogue's column; empty: always the same
	Rule      string // what decides, or what is always said
}

// Table returns the mapping as data, in the order of a document: every attribute
// that [Append] can write. Attributes that are left out when the record does not
// say are not marked. The caller owns the result.
func Table() []Row {
	t := slices.Clone(common)
	t = append(t, accountRows("actor.user", nil, "actor", "what the actor's kind says: User, Service, API Key; else Unknown")...)
	t = append(t, actorRows("actor.user", nil)...)
	t = append(t, endpoint...)
	t = append(t, accountRows("user", []int{accountChange, authentication, userAccess, groupManagement},
		"targets (user, service_account, principal); of a login also actor", "what the target's type says: User, Service, else the type itself")...)
	t = append(t, actorRows("user", ofLogin)...)
	t = append(t, accountRows("user_result", []int{accountChange}, "targets, changes", "as user; Admin if the role asked for is owner")...)
	t = append(t, classRows...)
	t = append(t, accountRows("entity.user", []int{entityManagement}, "targets (user, service_account)", "the account that the object is, or is for")...)
	return append(t, last...)
}

// accountRows are those of an account at path.
func accountRows(path string, classes []int, from, rule string) []Row {
	return []Row{
		{path + ".uid", classes, from, "its id"},
		{path + ".name", classes, from, "its e-mail, or else its name; unknown if nobody is named"},
		{path + ".email_addr", classes, from, "its e-mail, if it is one by the schema's pattern"},
		{path + ".type_id", classes, from, rule},
		{path + ".type", classes, from, "what type_id stands for"},
	}
}

// actorRows are those of an account that only an actor has.
func actorRows(path string, classes []int) []Row {
	return []Row{
		{path + ".full_name", classes, "actor.name", "if it is not the name already"},
		{path + ".programmatic_credentials[].uid", classes, "actor.api_key_id", ""},
		{path + ".programmatic_credentials[].type", classes, "", "API Key"},
	}
}

var common = []Row{
	{"metadata.version", nil, "", Version},
	{"metadata.product.name", nil, "", "OpenAI API Platform"},
	{"metadata.product.vendor_name", nil, "", "OpenAI"},
	{"metadata.product.version", nil, "", "v1"},
	{"metadata.product.feature.name", nil, "", "Audit logs"},
	{"metadata.profiles[]", nil, "", "cloud"},
	{"metadata.uid", nil, "event_id", ""},
	{"metadata.event_code", nil, "event_type", ""},
	{"metadata.log_name", nil, "stream", "organization.audit_log, tenant.audit_log"},
	{"metadata.log_provider", nil, "", "OpenAI"},
	{"metadata.log_source", nil, "source", ""},
	{"metadata.original_time", nil, "effective_at", "seconds since 1970, as the API has it"},
	{"metadata.tenant_uid", nil, "organization_id", ""},
	{"metadata.labels[]", nil, "targets, known_type, problems", "target_unknown: the class requires what the payload does not name; type_unknown; problems"},
	{"time", nil, "effective_at", "milliseconds since 1970"},
	{"category_uid", nil, "", "3"},
	{"category_name", nil, "", "Identity & Access Management"},
	{"class_uid", nil, "catalogue: ocsf_class_uid", "the event type, overrides apart"},
	{"class_name", nil, "catalogue: ocsf_class_uid", ""},
	{"activity_id", nil, "catalogue: ocsf_activity_id", ""},
	{"activity_name", nil, "catalogue: ocsf_activity_name", ""},
	{"type_uid", nil, "catalogue: ocsf_type_uid", "class_uid * 100 + activity_id"},
	{"type_name", nil, "class_name, activity_name", ""},
	{"severity_id", nil, "severity", "info 1, low 2, medium 3, high 4"},
	{"severity", nil, "severity", ""},
	{"status_id", nil, "outcome", "success 1, failure 2, unknown 0"},
	{"status", nil, "outcome", ""},
	{"status_code", nil, "error.code", ""},
	{"status_detail", nil, "error.message", ""},
	{"message", nil, "event_type, error.message, severity_reason", "the type and why it failed, or why it matters"},
}

var endpoint = []Row{
	{"src_endpoint.ip", nil, "actor.ip", "if it is an address; without one there is no src_endpoint"},
	{"src_endpoint.location.country", nil, "actor.geo.country", ""},
	{"src_endpoint.location.region", nil, "actor.geo.country, actor.geo.region_code", "US-OR; without a code the region's name"},
	{"src_endpoint.location.desc", nil, "actor.geo.region", "the region's name, if region is a code"},
	{"src_endpoint.location.city", nil, "actor.geo.city", ""},
	{"src_endpoint.location.lat", nil, "actor.geo.latitude", "if it is a number of degrees"},
	{"src_endpoint.location.long", nil, "actor.geo.longitude", "if it is a number of degrees"},
	{"src_endpoint.autonomous_system.number", nil, "actor.geo.asn", "if it is a number below 2^31"},
	{"src_endpoint.autonomous_system.name", nil, "actor.geo.asn", "if it is not"},
	{"src_endpoint.fingerprints[].algorithm_id", nil, "", "99"},
	{"src_endpoint.fingerprints[].algorithm", nil, "", "JA3, JA4"},
	{"src_endpoint.fingerprints[].value", nil, "actor.ja3, actor.ja4", ""},
	{"http_request.user_agent", nil, "actor.user_agent", ""},
	{"cloud.provider", nil, "", "OpenAI"},
	{"cloud.org.uid", nil, "organization_id", ""},
	{"cloud.account.uid", nil, "project.id", ""},
	{"cloud.account.name", nil, "project.name", ""},
	{"cloud.account.type_id", nil, "", "99"},
	{"cloud.account.type", nil, "", "OpenAI Project"},
}

var (
	ofEntity = []int{entityManagement}
	ofAccess = []int{userAccess}
	ofGroup  = []int{groupManagement}
	ofLogin  = []int{authentication}
)

var classRows = []Row{
	{"service.name", ofLogin, "", "OpenAI"},
	{"is_remote", ofLogin, "", "true"},
	{"privileges[]", []int{userAccess, groupManagement}, "targets (role), changes.role", "unknown if nothing names it"},
	{"resources[].uid", ofAccess, "targets, project, organization_id", "what the role is for: the targets that are neither role nor principal, or else the project, or else the organization"},
	{"resources[].name", ofAccess, "targets, project", ""},
	{"resources[].type", ofAccess, "targets", "project, organization if they stand in"},
	{"resources[].role_id", ofAccess, "", "1"},
	{"resources[].role", ofAccess, "", "Target"},
	{"group.uid", ofGroup, "targets (group)", ""},
	{"group.name", ofGroup, "targets (group)", "the name it was asked to get; unknown if nothing names the group"},
	{"resource.uid", ofGroup, "targets", "what the role is for: the first target that is neither role nor group"},
	{"resource.name", ofGroup, "targets", ""},
	{"resource.type", ofGroup, "targets", ""},
	{"resource.role_id", ofGroup, "", "1"},
	{"resource.role", ofGroup, "", "Target"},
	{"entity.uid", ofEntity, "targets (object of the type)", ""},
	{"entity.name", ofEntity, "targets (object of the type)", "names of several joined; not a name that was only asked for; unknown if nothing names it"},
	{"entity.type_id", ofEntity, "catalogue: ocsf_entity_type_id", ""},
	{"entity.type", ofEntity, "catalogue: object_type", "what type_id stands for, if it is not 99"},
	{"entity.data", ofEntity, "changes", "as JSON; of an update in entity_result; of several objects their ids instead"},
	{"entity.org.uid", ofEntity, "targets", "of an organization"},
	{"entity.org.name", ofEntity, "targets", "of an organization"},
	{"entity.policy.uid", ofEntity, "targets", "of a policy"},
	{"entity.policy.name", ofEntity, "targets", "of a policy"},
	{"entity_result.uid", ofEntity, "targets (object of the type)", "of an update; requested, and not known to be applied"},
	{"entity_result.name", ofEntity, "targets (object of the type)", ""},
	{"entity_result.type_id", ofEntity, "catalogue: ocsf_entity_type_id", ""},
	{"entity_result.type", ofEntity, "catalogue: object_type", ""},
	{"entity_result.data", ofEntity, "changes", "as JSON"},
	{"access_list[]", ofEntity, "changes.scopes, changes.permissions, changes.permissions_added", "not of a role that is unbound: it had them"},
}

var last = []Row{
	{"enrichments[].name", nil, "", "severity, metadata.event_code"},
	{"enrichments[].value", nil, "severity, event_type", ""},
	{"enrichments[].type", nil, "", "severity_reason, mitre_attack"},
	{"enrichments[].desc", nil, "", ""},
	{"enrichments[].provider", nil, "", "auditlog-connector"},
	{"enrichments[].data", nil, "severity_reason; catalogue: mitre_attack", "the reason; the techniques that the act would be if it were malicious"},
	{"unmapped.action", nil, "action", ""},
	{"unmapped.actor_kind", nil, "actor.kind", ""},
	{"unmapped.service_account_id", nil, "actor.service_account_id", "if it is not the actor's id"},
	{"unmapped.ip", nil, "actor.ip", "if it is not an address"},
	{"unmapped.ja3", nil, "actor.ja3", "without src_endpoint"},
	{"unmapped.ja4", nil, "actor.ja4", "without src_endpoint"},
	{"unmapped.geo", nil, "actor.geo", "what the location cannot hold"},
	{"unmapped.targets[].type", nil, "targets", "those that no attribute says"},
	{"unmapped.targets[].id", nil, "targets", ""},
	{"unmapped.targets[].name", nil, "targets", ""},
	{"unmapped.changes", nil, "changes", "as JSON, unless an entity has them as data"},
	{"unmapped.details", nil, "details", "members that are nowhere else in the document, as JSON; certificates apart"},
	{"unmapped.problems[]", nil, "problems", ""},
	{"unmapped.raw_base64", nil, "raw", "true if raw_data is base64, because the entry is not valid UTF-8"},
	{"observables[].name", nil, "", "path of the value: addresses, accounts, keys, groups, objects, user agents, fingerprints, countries"},
	{"observables[].type_id", nil, "", ""},
	{"observables[].type", nil, "", ""},
	{"observables[].value", nil, "", ""},
	{"raw_data", nil, "raw", "the entry as served"},
}
