package ecs

// Row says of one field of the documents what it holds and where that comes from.
type Row struct {
	Field string // with dots between the names
	Type  string // of the mapping: keyword, ip, long, …
	List  bool   // always a list, if it is there
	From  string // of the record, or a constant
}

// Table returns every field that a document may have, in the order in which they are
// written. The caller may keep it.
//
// A field is in a document if the event has something for it. Everything but
// openai.audit is ECS. An index template maps these fields, everything else is an
// error of the mapping.
func Table() []Row { return append([]Row(nil), table...) }

const constant = "constant: "

var table = []Row{
	{"@timestamp", "date", false, "effective_at"},
	{"message", "match_only_text", false, "a line for people: event_type, actor, targets, error"},
	{"ecs.version", "keyword", false, constant + Version},
	{"labels.source", "keyword", false, "source"},
	{"labels.stream", "keyword", false, "stream"},
	{"event.kind", "keyword", false, constant + "event; pipeline_error for an entry without a type"},
	{"event.category", "keyword", true, "catalogue: ecs_category"},
	{"event.type", "keyword", true, "catalogue: ecs_type"},
	{"event.action", "keyword", false, "event_type"},
	{"event.outcome", "keyword", false, "outcome"},
	{"event.reason", "keyword", false, "error.message, else error.code"},
	{"event.severity", "long", false, "severity: info 1, low 2, medium 3, high 4"},
	{"event.id", "keyword", false, "event_id"},
	{"event.module", "keyword", false, constant + "openai"},
	{"event.dataset", "keyword", false, constant + "openai.audit"},
	{"event.provider", "keyword", false, constant + "openai"},
	{"event.original", "keyword", false, "raw; base64 if it is not valid UTF-8; not indexed"},
	{"error.code", "keyword", false, "error.code"},
	{"error.message", "match_only_text", false, "error.message"},
	{"user.id", "keyword", false, "actor.id, unless the actor is a key of nobody"},
	{"user.name", "keyword", false, "actor.email, else actor.name"},
	{"user.full_name", "keyword", false, "actor.name"},
	{"user.email", "keyword", false, "actor.email"},
	{"user.domain", "keyword", false, "actor.email after the @"},
	{"user.target.id", "keyword", false, "id of the first target that is a user or a service account; not of a sign-in"},
	{"user.target.name", "keyword", false, "name of that target"},
	{"user.target.full_name", "keyword", false, "name of that target, if it is no e-mail address"},
	{"user.target.email", "keyword", false, "name of that target, if it is an e-mail address"},
	{"user.target.domain", "keyword", false, "name of that target after the @"},
	{"user.target.roles", "keyword", true, "changes.role of an account that is made or invited"},
	{"user.changes.email", "keyword", false, "changes.email of an account that is updated"},
	{"user.changes.full_name", "keyword", false, "changes.name of an account that is updated"},
	{"user.changes.roles", "keyword", true, "changes.role of an account that is updated; the role that is assigned to one"},
	{"group.id", "keyword", false, "id of the first target that is a group"},
	{"group.name", "keyword", false, "name of that target"},
	{"entity.target.id", "keyword", false, "id of the first target that is no user, service account or group"},
	{"service.id", "keyword", false, "actor.service_account_id of an actor that is one"},
	{"service.name", "keyword", false, "actor.name of an actor that is a service account"},
	{"source.address", "keyword", false, "actor.ip"},
	{"source.ip", "ip", false, "actor.ip, if it is an address"},
	{"source.as.number", "long", false, "actor.geo.asn, if it is a number"},
	{"source.geo.country_iso_code", "keyword", false, "actor.geo.country, if it has the form of a code"},
	{"source.geo.region_iso_code", "keyword", false, "actor.geo.country-region_code, if both have the form of codes"},
	{"source.geo.country_name", "keyword", false, "actor.geo.country otherwise"},
	{"source.geo.region_name", "keyword", false, "actor.geo.region"},
	{"source.geo.city_name", "keyword", false, "actor.geo.city"},
	{"source.geo.location", "geo_point", false, "actor.geo.latitude and longitude, if they are coordinates"},
	{"client.address", "keyword", false, "actor.ip"},
	{"client.ip", "ip", false, "actor.ip, if it is an address"},
	{"user_agent.original", "keyword", false, "actor.user_agent"},
	{"user_agent.name", "keyword", false, "actor.user_agent: the browser or program"},
	{"user_agent.version", "keyword", false, "actor.user_agent: its version"},
	{"user_agent.os.type", "keyword", false, "actor.user_agent: the kind of operating system"},
	{"user_agent.os.name", "keyword", false, "actor.user_agent: the operating system"},
	{"user_agent.os.version", "keyword", false, "actor.user_agent: its version"},
	{"user_agent.device.name", "keyword", false, "actor.user_agent: iPhone or iPad"},
	{"tls.client.ja3", "keyword", false, "actor.ja3"},
	{"organization.id", "keyword", false, "organization_id"},
	{"cloud.project.id", "keyword", false, "project.id"},
	{"cloud.project.name", "keyword", false, "project.name"},
	{"observer.product", "keyword", false, constant + "OpenAI API Platform"},
	{"observer.type", "keyword", false, constant + "saas"},
	{"observer.vendor", "keyword", false, constant + "OpenAI"},
	{"related.ip", "ip", true, "actor.ip; single addresses of an allow-list"},
	{"related.user", "keyword", true, "ids, e-mail addresses and names of the actor and of targets that are accounts"},
	{"related.hash", "keyword", true, "actor.ja3 and actor.ja4"},
	{"openai.audit.action", "keyword", false, "action"},
	{"openai.audit.object_type", "keyword", false, "catalogue: object_type"},
	{"openai.audit.known_type", "boolean", false, "known_type"},
	{"openai.audit.severity", "keyword", false, "severity"},
	{"openai.audit.severity_reason", "keyword", false, "severity_reason"},
	{"openai.audit.mitre_attack", "keyword", true, "catalogue: mitre_attack, what the act would be if malicious"},
	{"openai.audit.actor.kind", "keyword", false, "actor.kind"},
	{"openai.audit.actor.api_key_id", "keyword", false, "actor.api_key_id"},
	{"openai.audit.actor.ja4", "keyword", false, "actor.ja4"},
	{"openai.audit.targets.type", "keyword", false, "targets.type"},
	{"openai.audit.targets.id", "keyword", false, "targets.id"},
	{"openai.audit.targets.name", "keyword", false, "targets.name"},
	{"openai.audit.assignment.principal_type", "keyword", false, "type of the user, service account or group that a role is given to or taken from"},
	{"openai.audit.assignment.principal_id", "keyword", false, "id of that target"},
	{"openai.audit.assignment.role_id", "keyword", false, "id of the target that is a role"},
	{"openai.audit.assignment.resource_type", "keyword", false, "type of the target that the role is for"},
	{"openai.audit.assignment.resource_id", "keyword", false, "id of that target"},
	{"openai.audit.changes.name", "keyword", false, "names of changes"},
	{"openai.audit.changes.value", "keyword", false, "their values as text, or as a list of texts"},
	{"openai.audit.details", "match_only_text", false, "details as JSON text"},
	{"openai.audit.problems", "keyword", true, "problems"},
	{"openai.audit.raw_base64", "boolean", false, "event.original is base64"},
	{"openai.audit.truncated", "boolean", false, "something long is only in event.original"},
}
