package main

import (
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/file"
	"auditlog-connector/sinks/sqlite"
	"auditlog-connector/sources"
	"auditlog-connector/sources/openai"
)

// sourceTypes returns every kind of source that there is.
func sourceTypes() *sources.Registry { return sources.NewRegistry(openai.Type) }

// sinkTypes returns every kind of sink that there is.
func sinkTypes() *sinks.Registry { return sinks.NewRegistry(file.Type, sqlite.Type) }
