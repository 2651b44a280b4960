package cim_test

import (
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/cim"
)

func BenchmarkAppend(b *testing.B) { eventtest.BenchmarkAppend(b, cim.Append) }

func BenchmarkEncodingJSON(b *testing.B) { eventtest.BenchmarkEncodingJSON(b) }
