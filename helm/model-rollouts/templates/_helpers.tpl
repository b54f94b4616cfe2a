{{- /* The name of every object, at most 63 characters. */ -}}
{{- define "model-rollouts.name" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $whole := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) -}}
{{- default $whole .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* What selects the operator's pod. It must not change in an upgrade. */ -}}
{{- define "model-rollouts.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "model-rollouts.labels" -}}
{{ include "model-rollouts.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What selects the observer's pods, and no pod of the operator. */ -}}
{{- define "model-rollouts.observerSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}-observer
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "model-rollouts.observerLabels" -}}
{{ include "model-rollouts.observerSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What selects the pod that sends messages, and no other. */ -}}
{{- define "model-rollouts.notificationsSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}-notifications
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "model-rollouts.notificationsLabels" -}}
{{ include "model-rollouts.notificationsSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The file of `notifications run --config`. Files that it names lie beside it. */ -}}
{{- define "model-rollouts.notificationsConfig" -}}
{{- $given := .Values.notifications -}}
{{- $config := deepCopy (pick $given "cluster" "groupWait" "groupInterval" "mostPerHour" "unavailableAfter" "giveUpAfter" "templates") -}}
{{- $targets := list -}}
{{- range $given.targets -}}
{{- $target := omit . "secret" "tokenSecret" -}}
{{- if .secret -}}
{{- $_ := set $target "urlFile" (printf "targets/%s/url" .name) -}}
{{- end -}}
{{- if .tokenSecret -}}
{{- $_ := set $target "tokenFile" (printf "targets/%s/token" .name) -}}
{{- end -}}
{{- $targets = append $targets $target -}}
{{- end -}}
{{- $_ := set $config "targets" $targets -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "model-rollouts.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "model-rollouts.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: found none with serviceAccount.create=false, write the name of an existing ServiceAccount" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* An image with its digest, or else with its tag. Takes the value and the tag to fall back to. */ -}}
{{- define "model-rollouts.image" -}}
{{- $tag := default .fallback .image.tag -}}
{{- if .image.digest -}}
{{- printf "%s:%s@%s" .image.repository $tag .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository $tag -}}
{{- end -}}
{{- end -}}

{{- define "model-rollouts.subject" -}}
- kind: ServiceAccount
  name: {{ include "model-rollouts.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- /* The file of --prometheus-config. Files that it names lie beside it. */ -}}
{{- define "model-rollouts.prometheusConfig" -}}
{{- $prometheus := .Values.prometheus -}}
{{- $config := deepCopy (pick $prometheus "timeout" "labels") -}}
{{- if .Values.observer.enabled -}}
{{- $target := dict $prometheus.labels.namespace .Release.Namespace -}}
{{- if .Values.observer.podMonitor.enabled -}}
{{- $_ := set $target "job" (printf "%s/%s-observer" .Release.Namespace (include "model-rollouts.name" .)) -}}
{{- end -}}
{{- $_ := set $config.labels "observer" (mergeOverwrite $target .Values.observer.targetLabels) -}}
{{- end -}}
{{- range $name := list "headers" "parameters" "tenants" "matchers" -}}
{{- with index $prometheus $name -}}
{{- $_ := set $config $name . -}}
{{- end -}}
{{- end -}}
{{- with $prometheus.secretHeaders -}}
{{- $files := dict -}}
{{- range $name, $_ := . -}}
{{- $_ := set $files $name (printf "headers/%s" $name) -}}
{{- end -}}
{{- $_ := set $config "headerFiles" $files -}}
{{- end -}}
{{- if $prometheus.basicAuthSecret.name -}}
{{- $_ := set $config "basicAuth" (dict "usernameFile" "username" "passwordFile" "password") -}}
{{- end -}}
{{- $tls := dict -}}
{{- if $prometheus.clientCertificateSecret.name -}}
{{- $tls = dict "certFile" "tls.crt" "keyFile" "tls.key" -}}
{{- end -}}
{{- with $prometheus.serverName -}}
{{- $_ := set $tls "serverName" . -}}
{{- end -}}
{{- with $tls -}}
{{- $_ := set $config "tls" . -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
