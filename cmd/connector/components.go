package main

import (
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/elasticsearch"
	"auditlog-connector/sinks/file"
	"auditlog-connector/sinks/kafka"
	"auditlog-connector/sinks/s3"
	"auditlog-connector/sinks/splunkhec"
	"auditlog-connector/sinks/sqlite"
	"auditlog-connector/sources"
	"auditlog-connector/sources/openai"
)

// sourceTypes returns every kind of source that there is.
func sourceTypes() *sources.Registry { return sources.NewRegistry(openai.Type) }

// sinkTypes returns every kind of sink that there is.
func sinkTypes() *sinks.Registry {
	return sinks.NewRegistry(elasticsearch.Type, file.Type, kafka.Type, s3.Type, splunkhec.Type, sqlite.Type)
}
