package elasticsearch

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/rawjson"
)

// bulkPath leaves out of the answer what is not looked at, the reasons above all.
const bulkPath = "/_bulk?timeout=" + serverWait +
	"&filter_path=items.*._index,items.*._id,items.*.status,items.*.result,items.*.failure_store,items.*.error.type"

// documentID is the id of the document of a source's event, for ever.
func documentID(source, event string) string {
	return strings.ToValidUTF8(source+":"+event, "\uFFFD")
}

// piece is one request's worth of a batch.
type piece struct {
	records []int // by index into the batch
	ends    []int // where each ends in body
	body    []byte
}

// slice returns the records from up to to as a piece of its own, which shares memory.
func (p *piece) slice(from, to int) piece {
	start := 0
	if from > 0 {
		start = p.ends[from-1]
	}
	s := piece{records: p.records[from:to], body: p.body[start:p.ends[to-1]]}
	for _, end := range p.ends[from:to] {
		s.ends = append(s.ends, end-start)
	}
	return s
}

// append adds the create of record i to dst: a line of what to do, a line with the
// document.
func (s *sink) append(dst []byte, p *progress, i int, r *pipeline.Record) []byte {
	dst = append(dst, `{"create":{"_index":`...)
	dst = rawjson.AppendString(dst, s.target.index(r.Time))
	dst = append(dst, `,"_id":`...)
	dst = rawjson.AppendString(dst, p.ids[i])
	dst = append(dst, "}}\n"...)
	if len(s.target.fields) == 0 {
		return append(s.document(dst, &r.Audit), '\n')
	}
	// The document begins with a brace, which goes before the fields.
	start := len(dst)
	dst = append(dst, s.target.fields...)
	brace := len(dst)
	dst = s.document(dst, &r.Audit)
	copy(dst[start+1:brace+1], s.target.fields)
	dst[start] = '{'
	return append(dst, '\n')
}

// send creates the documents of b that are not known to be there, in requests below
// the limit.
func (s *sink) send(ctx context.Context, b *pipeline.Batch, p *progress) error {
	s.reuse()
	pc := &s.piece
	for _, i := range p.todo() {
		start := len(pc.body)
		body := s.append(pc.body, p, i, &b.Records[i])
		if start > 0 && len(body) > s.limit {
			if err := s.post(ctx, p, *pc); err != nil {
				return err
			}
			rest := body[start:]
			s.reuse()
			body = append(pc.body, rest...)
		}
		pc.body = body
		pc.records, pc.ends = append(pc.records, i), append(pc.ends, len(body))
	}
	if len(pc.records) == 0 {
		return nil
	}
	return s.post(ctx, p, *pc)
}

// post sends pc, in halves if it is refused as a whole, until each of its records is
// there or rejected. It does not repeat what may have been taken.
func (s *sink) post(ctx context.Context, p *progress, pc piece) error {
	queue := []piece{pc}
	for len(queue) > 0 {
		pc, queue = queue[len(queue)-1], queue[:len(queue)-1]
		resp, err := s.bulk(ctx, pc.body)
		if err != nil {
			p.doubt = p.doubt || !isClean(err)
			return fmt.Errorf("create documents: %w", err)
		}
		switch n := len(pc.records); {
		case resp.Status == http.StatusOK:
			if err := s.judge(ctx, p, &pc, resp); err != nil {
				return fmt.Errorf("create documents: %w", err)
			}
		case resp.Status != http.StatusRequestEntityTooLarge && resp.Status != http.StatusBadRequest:
			err := s.classify(resp)
			p.doubt = p.doubt || !isClean(err)
			return fmt.Errorf("create documents: %w", err)
		case n == 1:
			p.reject(pc.records[0], fmt.Errorf("%w, _id %s, %d bytes", failure(resp), p.ids[pc.records[0]], len(pc.body)))
		default:
			s.shrink(resp, len(pc.body))
			queue = append(queue, pc.slice(n/2, n), pc.slice(0, n/2))
		}
	}
	return nil
}

// shrink keeps later requests smaller than one of size that was too large.
func (s *sink) shrink(resp *httpclient.Response, size int) {
	if resp.Status != http.StatusRequestEntityTooLarge || size/2 >= s.limit {
		return
	}
	s.limit = max(size/2, smallest)
	s.log.Warn("the server refuses requests of this size", "lane", s.lane, "bytes", size, "hint", "raise http.max_content_length, or what a proxy allows")
}

// bulk sends one request.
func (s *sink) bulk(ctx context.Context, body []byte) (*httpclient.Response, error) {
	c := call{method: http.MethodPost, path: bulkPath, body: body, content: typeLines, gzip: s.config.Gzip}
	if s.config.Gzip {
		c.body = s.zip.compress(body)
	}
	resp, err := s.ask(ctx, c)
	if err != nil || resp.Status != http.StatusOK {
		// The request may not have been read to its end, and whoever reads on must
		// not see another request's bytes.
		s.zip.out, s.lent = nil, true
	}
	return resp, err
}

// reuse empties the piece that is filled next.
func (s *sink) reuse() {
	if s.lent {
		s.piece, s.lent = piece{}, false
	}
	s.piece.records, s.piece.ends, s.piece.body = s.piece.records[:0], s.piece.ends[:0], s.piece.body[:0]
}

// zipper compresses, with memory of its own.
type zipper struct {
	w   *gzip.Writer
	out writer
}

// writer is a slice that grows.
type writer []byte

func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// compress returns body compressed. It is valid until the next call.
func (z *zipper) compress(body []byte) []byte {
	z.out = z.out[:0]
	if z.w == nil {
		z.w, _ = gzip.NewWriterLevel(&z.out, gzip.BestSpeed) // the level is one
	} else {
		z.w.Reset(&z.out)
	}
	_, _ = z.w.Write(body) // a slice does not fail
	_ = z.w.Close()
	return z.out
}
