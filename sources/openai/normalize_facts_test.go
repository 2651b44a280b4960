package openai

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/history"
	"auditlog-connector/sources/openai/auditlog"
)

// normalizedSample returns the record of one of testdata/samples.
func normalizedSample(t *testing.T, name string) schemas.AuditEvent {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "samples", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return normalize("acme", rawOf(t, bytes.TrimSpace(body))).Audit
}

func targetOf(e schemas.AuditEvent, kind string) string {
	for _, target := range e.Targets {
		if target.Type == kind {
			return target.ID
		}
	}
	return ""
}

func TestAFailedLoginIsAFailureWithAReason(t *testing.T) {
	e := normalizedSample(t, "login.failed")
	if e.Action != "login" || e.Outcome != "failure" || e.Error == nil || e.Error.Code == "" || e.Error.Message == "" {
		t.Errorf("%s, %s, %+v", e.Action, e.Outcome, e.Error)
	}
}

func TestARoleAssignmentNamesRoleResourceAndPrincipal(t *testing.T) {
	user := normalizedSample(t, "role.assignment.created")
	if targetOf(user, "role") != "role-api-organization-owner" || targetOf(user, "user") != "user-OBzVwIDstTiFyAlP9B8aUrgK" ||
		targetOf(user, "api.organization") != "org-aWFeOgd23eOp1ARVjVEeNJPX" || user.OrganizationID != "org-aWFeOgd23eOp1ARVjVEeNJPX" {
		t.Errorf("user: %+v", user.Targets)
	}
	group := normalizedSample(t, "variants/role.assignment.created.group")
	if targetOf(group, "role") != "role-api-organization-reader" || targetOf(group, "group") != "group_EkDhEFZC3HkHmTc044Fx" || targetOf(group, "api.organization") == "" {
		t.Errorf("group: %+v", group.Targets)
	}
}

func TestAKeyMadeByAServiceAccountNamesBoth(t *testing.T) {
	e := normalizeModel(t, &auditlog.Event{
		ID: "audit_log-1", Type: "api_key.created", EffectiveAt: 1,
		Actor: &auditlog.Actor{Type: "api_key", APIKey: &auditlog.APIKey{
			ID: "key_by", Type: "service_account", ServiceAccount: &auditlog.ServiceAccount{ID: "user-svc"}}},
		Details: &auditlog.APIKeyCreated{ID: "key_new", Data: &auditlog.APIKeyCreatedData{Scopes: []string{"api.model.read"}}},
	})
	want := schemas.Actor{Kind: "service_account", ID: "user-svc", APIKeyID: "key_by", ServiceAccountID: "user-svc"}
	if e.Actor != want || !slices.Equal(e.Targets, []schemas.Target{{Type: "api_key", ID: "key_new"}}) || e.Changes["scopes"] != `["api.model.read"]` {
		t.Errorf("%+v, %+v, %v", e.Actor, e.Targets, e.Changes)
	}
}

func TestAnAllowListChangeListsTheAddresses(t *testing.T) {
	for name, want := range map[string]string{
		"ip_allowlist.created": `["203.0.113.0/24","198.51.100.7","2001:db8:1234::/48"]`, "ip_allowlist.updated": `["203.0.113.0/24"]`, "ip_allowlist.deleted": `[]`,
		"variants/ip_allowlist.updated.any-ipv6": `["::/0"]`,
	} {
		if e := normalizedSample(t, name); e.Changes["allowed_ips"] != want || targetOf(e, "ip_allowlist") == "" {
			t.Errorf("%s: %s, %+v", name, e.Changes["allowed_ips"], e.Targets)
		}
	}
}

func TestACertificateIsNotRepeated(t *testing.T) {
	e := normalizedSample(t, "certificate.deleted")
	if !bytes.Contains(e.Details, []byte("BEGIN CERTIFICATE")) || !bytes.Contains(e.Raw, []byte("BEGIN CERTIFICATE")) {
		t.Error("details and raw are without the certificate")
	}
	if text := flat(e); strings.Contains(text, "CERTIFICATE") {
		t.Errorf("the certificate is in the flat fields: %.300s", text)
	}
}

// What a record is as Avro bytes must be the same on every run, platform and
// version; testdata/avro.sha256 has the digests. Rewrite it with -update.
func TestAvroIsTheSameEverywhere(t *testing.T) {
	var got bytes.Buffer
	for _, s := range samples(t) {
		e := normalize("acme", s.raw).Audit
		fmt.Fprintf(&got, "%x  %s\n", sha256.Sum256(schemas.AppendSingle(nil, schemas.Encode(nil, &e))), filepath.ToSlash(s.name))
	}
	path := filepath.Join("testdata", "avro.sha256")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the Avro records of the samples are not those of %s; if the record was meant to change, rewrite it with -update", path)
	}
}

// The entry comes back out of Avro byte for byte, by our decoder and by goavro.
func TestTheEntryComesBackOutOfAvro(t *testing.T) {
	checked := 0
	check := func(e schemas.AuditEvent, body []byte) {
		checked++
		avro := schemas.Encode(nil, &e)
		back, err := schemas.Decode(avro)
		if err != nil || !bytes.Equal(back.Raw, body) {
			t.Fatalf("raw is %.200q, %v", back.Raw, err)
		}
		native, rest, err := schemas.Codec().NativeFromBinary(avro)
		if err != nil || len(rest) > 0 {
			t.Fatalf("goavro: %v, %d bytes more", err, len(rest))
		}
		resolved, err := history.FromNative(native)
		if err != nil || !bytes.Equal(resolved.Raw, body) || !reflect.DeepEqual(resolved, back) {
			t.Fatalf("goavro read %+v, %v", resolved, err)
		}
	}
	for _, s := range samples(t) {
		check(normalize("acme", s.raw).Audit, s.raw.Body)
	}
	for _, h := range hostile() {
		check(normalizeText(h.body), []byte(h.body))
	}
	invented(t, 2_000, check)
	if checked < 2_200 {
		t.Errorf("only %d checked", checked)
	}
}
