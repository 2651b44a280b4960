{{- define "connector.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "connector.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := include "connector.name" . -}}
{{- if contains $name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* All pods of the release. */}}
{{- define "connector.release" -}}
app.kubernetes.io/name: {{ include "connector.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pod that exports, not that of "helm test". */}}
{{- define "connector.selector" -}}
{{ include "connector.release" . }}
app.kubernetes.io/component: exporter
{{- end -}}

{{- define "connector.labels" -}}
{{ include "connector.release" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "connector.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "connector.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "connector.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The configuration, with what the chart decides. */}}
{{- define "connector.config" -}}
{{- $own := dict "http" (dict "listen" ":9464") "checkpoint" (dict "path" "/var/lib/connector/checkpoint.db") "log" (dict "format" "json") -}}
{{- toYaml (mustMergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}

{{/* drain_timeout in seconds, and 10. */}}
{{- define "connector.grace" -}}
{{- $d := .Values.config.pipeline.drain_timeout -}}
{{- $h := regexFind "[0-9]+h" $d | trimSuffix "h" | int -}}
{{- $m := regexFind "[0-9]+m" $d | trimSuffix "m" | int -}}
{{- $s := regexFind "[0-9]+s" $d | trimSuffix "s" | int -}}
{{- add (mul $h 3600) (mul $m 60) $s 10 -}}
{{- end -}}

{{- define "connector.scheme" -}}
{{- if .Values.config.http.tls }}HTTPS{{ else }}HTTP{{ end -}}
{{- end -}}

{{/* The name of the Secret of one of "secrets": .root, .secret. */}}
{{- define "connector.secretName" -}}
{{- default (printf "%s-%s" (include "connector.fullname" .root) .secret.name) .secret.existingSecret -}}
{{- end -}}

{{- define "connector.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "connector.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "connector.volumes" -}}
- name: config
  configMap:
    name: {{ include "connector.fullname" . }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- range .Values.secrets }}
- name: secret-{{ .name }}
  secret:
    secretName: {{ include "connector.secretName" (dict "root" $ "secret" .) }}
    defaultMode: 0440
    {{- if .optional }}
    optional: true
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "connector.mounts" -}}
- name: config
  mountPath: /etc/connector
  readOnly: true
- name: data
  mountPath: /var/lib/connector
- name: tmp
  mountPath: /tmp
{{- range .Values.secrets }}
- name: secret-{{ .name }}
  mountPath: /run/secrets/{{ .name }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which nodes may run a pod of the release, and how. */}}
{{- define "connector.placement" -}}
{{- range $key := list "priorityClassName" "runtimeClassName" "nodeSelector" "tolerations" "affinity" }}
{{- with index $.Values $key }}
{{ toYaml (dict $key .) }}
{{- end }}
{{- end }}
{{- end -}}
