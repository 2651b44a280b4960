package auditlog

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// payloads are the structs of the types whose payload is documented.
var payloads = map[string]reflect.Type{
	TypeAPIKeyCreated:                          reflect.TypeFor[APIKeyCreated](),
	TypeAPIKeyUpdated:                          reflect.TypeFor[APIKeyUpdated](),
	TypeAPIKeyDeleted:                          reflect.TypeFor[APIKeyDeleted](),
	TypeCertificateCreated:                     reflect.TypeFor[CertificateCreated](),
	TypeCertificateUpdated:                     reflect.TypeFor[CertificateUpdated](),
	TypeCertificateDeleted:                     reflect.TypeFor[CertificateDeleted](),
	TypeCertificatesActivated:                  reflect.TypeFor[CertificatesActivated](),
	TypeCertificatesDeactivated:                reflect.TypeFor[CertificatesDeactivated](),
	TypeCheckpointPermissionCreated:            reflect.TypeFor[CheckpointPermissionCreated](),
	TypeCheckpointPermissionDeleted:            reflect.TypeFor[CheckpointPermissionDeleted](),
	TypeExternalKeyRegistered:                  reflect.TypeFor[ExternalKeyRegistered](),
	TypeExternalKeyRemoved:                     reflect.TypeFor[ExternalKeyRemoved](),
	TypeExternalStorageRegistered:              reflect.TypeFor[ExternalStorageRegistered](),
	TypeExternalStorageRemoved:                 reflect.TypeFor[ExternalStorageRemoved](),
	TypeGroupCreated:                           reflect.TypeFor[GroupCreated](),
	TypeGroupUpdated:                           reflect.TypeFor[GroupUpdated](),
	TypeGroupDeleted:                           reflect.TypeFor[GroupDeleted](),
	TypeInviteSent:                             reflect.TypeFor[InviteSent](),
	TypeInviteAccepted:                         reflect.TypeFor[InviteAccepted](),
	TypeInviteDeleted:                          reflect.TypeFor[InviteDeleted](),
	TypeIPAllowlistCreated:                     reflect.TypeFor[IPAllowlistCreated](),
	TypeIPAllowlistUpdated:                     reflect.TypeFor[IPAllowlistUpdated](),
	TypeIPAllowlistDeleted:                     reflect.TypeFor[IPAllowlistDeleted](),
	TypeIPAllowlistConfigActivated:             reflect.TypeFor[IPAllowlistConfigActivated](),
	TypeIPAllowlistConfigDeactivated:           reflect.TypeFor[IPAllowlistConfigDeactivated](),
	TypeLoginSucceeded:                         reflect.TypeFor[LoginSucceeded](),
	TypeLoginFailed:                            reflect.TypeFor[LoginFailed](),
	TypeLogoutSucceeded:                        reflect.TypeFor[LogoutSucceeded](),
	TypeLogoutFailed:                           reflect.TypeFor[LogoutFailed](),
	TypeOrganizationUpdated:                    reflect.TypeFor[OrganizationUpdated](),
	TypeProjectCreated:                         reflect.TypeFor[ProjectCreated](),
	TypeProjectUpdated:                         reflect.TypeFor[ProjectUpdated](),
	TypeProjectArchived:                        reflect.TypeFor[ProjectArchived](),
	TypeProjectDeleted:                         reflect.TypeFor[ProjectDeleted](),
	TypeRateLimitUpdated:                       reflect.TypeFor[RateLimitUpdated](),
	TypeRateLimitDeleted:                       reflect.TypeFor[RateLimitDeleted](),
	TypeRoleCreated:                            reflect.TypeFor[RoleCreated](),
	TypeRoleUpdated:                            reflect.TypeFor[RoleUpdated](),
	TypeRoleDeleted:                            reflect.TypeFor[RoleDeleted](),
	TypeRoleAssignmentCreated:                  reflect.TypeFor[RoleAssignmentCreated](),
	TypeRoleAssignmentDeleted:                  reflect.TypeFor[RoleAssignmentDeleted](),
	TypeRoleBoundToResource:                    reflect.TypeFor[RoleBoundToResource](),
	TypeRoleUnboundFromResource:                reflect.TypeFor[RoleUnboundFromResource](),
	TypeSCIMEnabled:                            reflect.TypeFor[SCIMEnabled](),
	TypeSCIMDisabled:                           reflect.TypeFor[SCIMDisabled](),
	TypeServiceAccountCreated:                  reflect.TypeFor[ServiceAccountCreated](),
	TypeServiceAccountUpdated:                  reflect.TypeFor[ServiceAccountUpdated](),
	TypeServiceAccountDeleted:                  reflect.TypeFor[ServiceAccountDeleted](),
	TypeUserAdded:                              reflect.TypeFor[UserAdded](),
	TypeUserUpdated:                            reflect.TypeFor[UserUpdated](),
	TypeUserDeleted:                            reflect.TypeFor[UserDeleted](),
	TypeWorkloadIdentityProviderCreated:        reflect.TypeFor[WorkloadIdentityProviderCreated](),
	TypeWorkloadIdentityProviderUpdated:        reflect.TypeFor[WorkloadIdentityProviderUpdated](),
	TypeWorkloadIdentityProviderDeleted:        reflect.TypeFor[WorkloadIdentityProviderDeleted](),
	TypeWorkloadIdentityProviderMappingCreated: reflect.TypeFor[WorkloadIdentityProviderMappingCreated](),
	TypeWorkloadIdentityProviderMappingUpdated: reflect.TypeFor[WorkloadIdentityProviderMappingUpdated](),
	TypeWorkloadIdentityProviderMappingDeleted: reflect.TypeFor[WorkloadIdentityProviderMappingDeleted](),
}

// renamed are the older names of types.
var renamed = map[string]string{
	"checkpoint_permission.created": TypeCheckpointPermissionCreated,
	"checkpoint_permission.deleted": TypeCheckpointPermissionDeleted,
}

// Types returns the types whose payload has a struct, sorted.
func Types() []string {
	names := make([]string, 0, len(payloads))
	for name := range payloads {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// NewDetails returns a pointer to an empty struct for the payload of a type, or nil
// if there is none. Older names of a type have the same struct.
func NewDetails(eventType string) any {
	if t := payloadOf(eventType); t != nil {
		return reflect.New(t).Interface()
	}
	return nil
}

// payloadOf returns the struct of a type; nil: none.
func payloadOf(eventType string) reflect.Type {
	if name, ok := renamed[eventType]; ok {
		eventType = name
	}
	return payloads[eventType]
}

// decodeDetails reads a payload into the struct of its type. A payload that is no
// object, or of another type, stays as it is.
func decodeDetails(eventType string, raw json.RawMessage) any {
	t := payloadOf(eventType)
	if t == nil || !isObject(raw) {
		return json.RawMessage(bytes.Clone(raw))
	}
	v := reflect.New(t)
	if !setStruct(v.Elem(), raw) {
		return json.RawMessage(bytes.Clone(raw))
	}
	return v.Interface()
}
