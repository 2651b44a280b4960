package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/markers"
)

// Headers of a marker record, beside its value.
const (
	headerInstance = "instance" // the sink that wrote it, in one process
	headerSchema   = "schema"   // what the registry said; see package registry
)

// lastMarker is what the marker topic has of a lane.
type lastMarker struct {
	marker   *pipeline.Marker // nil: none
	instance string
	schema   string
}

// lastMarker reads the lane's marker; see [markers.Last] for wait.
func (s *sink) lastMarker(ctx context.Context, wait bool) (lastMarker, error) {
	topic := s.config.markerTopic()
	rec, err := markers.Last(ctx, s.cluster, topic, s.lane, wait)
	if err != nil || rec == nil {
		return lastMarker{}, err
	}
	found := lastMarker{marker: new(pipeline.Marker)}
	if err = json.Unmarshal(rec.Value, found.marker); err == nil && found.marker.Epoch == "" {
		err = errors.New("it has no epoch")
	}
	if err != nil {
		return lastMarker{}, pipeline.Permanent(fmt.Errorf("%w: record %q in topic %s: %w (who else writes there?)", pipeline.ErrCorrupt, s.lane, topic, err))
	}
	for _, h := range rec.Headers {
		switch h.Key {
		case headerInstance:
			found.instance = string(h.Value)
		case headerSchema:
			found.schema = string(h.Value)
		}
	}
	return found, nil
}

// markerBatch encodes a marker record.
func (s *sink) markerBatch(m pipeline.Marker) ([]batch.Batch, error) {
	value, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	rec := batch.Record{
		Key: []byte(s.lane), Value: value, Time: now(),
		Headers: []batch.Header{{Key: headerInstance, Value: []byte(s.instance)}},
	}
	if s.schemaID != "" {
		rec.Headers = append(rec.Headers, batch.Header{Key: headerSchema, Value: []byte(s.schemaID)})
	}
	b := batch.Builder{Limit: s.limit(s.config.markerTopic())}
	if err := b.Add(0, &rec); err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("marker record: %w", err))
	}
	return b.Batches(), nil
}
