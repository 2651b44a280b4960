package ecs_test

import (
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/ecs"
)

func BenchmarkAppend(b *testing.B) { eventtest.BenchmarkAppend(b, ecs.Append) }

func BenchmarkEncodingJSON(b *testing.B) { eventtest.BenchmarkEncodingJSON(b) }
