package clustertest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/linkedin/goavro/v2"
	_ "modernc.org/sqlite" // the driver: the destination is read without the sink

	"auditlog-connector/internal/openaisim"
)

// row is one event as a destination holds it.
type row struct {
	id  string
	raw []byte
}

// table reads the table of a database.
func table(ctx context.Context, path string) ([]row, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT event_id, raw FROM audit_events")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.raw); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// objects reads the batches of a bucket; nothing else may be in it but claims.
func (w *world) objects(ctx context.Context, bucket string) ([]row, error) {
	var all []row
	pages := s3.NewListObjectsV2Paginator(w.client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			if !strings.HasSuffix(*o.Key, ".avro") {
				continue
			}
			rows, err := w.object(ctx, bucket, *o.Key)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", *o.Key, err)
			}
			all = append(all, rows...)
		}
	}
	return all, nil
}

func (w *world) object(ctx context.Context, bucket, key string) ([]row, error) {
	out, err := w.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	r, err := goavro.NewOCFReader(out.Body)
	if err != nil {
		return nil, err
	}
	var all []row
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			return nil, err
		}
		record := v.(map[string]any)
		all = append(all, row{record["event_id"].(string), record["raw"].([]byte)})
	}
	return all, r.Err()
}

// missing counts the events of truth that a destination does not hold.
func missing(held []row, truth map[string]openaisim.TruthLine) int {
	seen := make(map[string]bool, len(held))
	for _, r := range held {
		seen[r.id] = true
	}
	n := 0
	for id := range truth {
		if !seen[id] {
			n++
		}
	}
	return n
}

// compare says what is wrong with a destination that was read between two looks at
// the simulator's list: what could be read at the first has to be there, once and as
// it was served, and nothing that is not in the second.
func compare(held []row, before, after map[string]openaisim.TruthLine) error {
	var repeated, foreign, changed int
	seen := make(map[string]bool, len(held))
	for _, r := range held {
		line, known := after[r.id]
		sum := sha256.Sum256(r.raw)
		switch {
		case !known:
			foreign++
		case seen[r.id]:
			repeated++
		case hex.EncodeToString(sum[:]) != line.SHA256:
			changed++
		}
		seen[r.id] = true
	}
	if lost := missing(held, before); repeated+foreign+changed+lost > 0 {
		return fmt.Errorf("of %d events %d are lost, %d repeated, %d changed; %d are foreign", len(before), lost, repeated, changed, foreign)
	}
	return nil
}
