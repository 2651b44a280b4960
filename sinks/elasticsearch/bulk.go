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

// bulkPath leaves out of the answer what is not looked at.
const bulkPath = "/_bulk?timeout=" + serverWait +
	"&filter_path=items.*._index,items.*._id,items.*.status,items.*.result,items.*.failure_store,items.*.error.type,items.*.error.reason"

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

// slot holds a request that is under way, and memory for the next one.
type slot struct {
	piece piece
	zip   zipper
	lent  bool // the memory of piece may still be read

	done chan struct{} // closed when resp or err is there; nil: nothing is under way
	resp *httpclient.Response
	err  error
	used string // what authenticated it
}

// send creates the documents of b that are not known to be there, in requests below
// the limit, of which inFlight are under way at a time. It judges them one by one, and
// returns when none is under way.
func (s *sink) send(ctx context.Context, b *pipeline.Batch, p *progress) (err error) {
	todo := p.todo()
	size := max(worthwhile, (len(todo)+inFlight-1)/inFlight)
	for n := 0; len(todo) > 0 && err == nil; n++ {
		x := &s.slots[n%inFlight]
		if err = s.finish(ctx, p, x); err == nil {
			todo = s.fill(x, b, p, todo, size)
			s.launch(ctx, x)
		}
	}
	for i := range s.slots {
		err = worse(err, s.finish(ctx, p, &s.slots[i]))
	}
	return err
}

// fill puts documents of todo into x, size of them or what the limit allows, and
// returns the others.
func (s *sink) fill(x *slot, b *pipeline.Batch, p *progress, todo []int, size int) []int {
	x.reuse()
	pc := &x.piece
	for n, i := range todo {
		if n == size {
			return todo[n:]
		}
		start := len(pc.body)
		body := s.append(pc.body, p, i, &b.Records[i])
		if n > 0 && len(body) > s.limit {
			pc.body = body[:start]
			return todo[n:]
		}
		pc.body = body
		pc.records, pc.ends = append(pc.records, i), append(pc.ends, len(body))
	}
	return nil
}

// launch sends what is in x. Nothing else may use x until [sink.finish].
func (s *sink) launch(ctx context.Context, x *slot) {
	x.done = make(chan struct{})
	x.used, _ = s.login.get() // where it cannot be read, the request says so
	go func() {
		defer close(x.done)
		x.resp, x.err = s.bulk(ctx, x, x.piece.body)
	}()
}

// finish waits for the request of x, if one is under way, and sends it again in halves
// if it is refused as a whole, until each of its records is there or rejected. It does
// not repeat what may have been taken.
func (s *sink) finish(ctx context.Context, p *progress, x *slot) error {
	if x.done == nil {
		return nil
	}
	<-x.done
	x.done = nil
	queue := []piece{x.piece}
	for first := true; len(queue) > 0; first = false {
		pc := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !first {
			x.used, _ = s.login.get()
			x.resp, x.err = s.bulk(ctx, x, pc.body)
		}
		if x.err != nil {
			p.doubt = p.doubt || !isClean(x.err)
			return fmt.Errorf("create documents: %w", x.err)
		}
		switch n := len(pc.records); {
		case x.resp.Status == http.StatusOK:
			if err := s.judge(ctx, p, &pc, x.resp, x.used); err != nil {
				return fmt.Errorf("create documents: %w", err)
			}
		case x.resp.Status != http.StatusRequestEntityTooLarge && x.resp.Status != http.StatusBadRequest:
			err := s.classify(x.resp)
			p.doubt = p.doubt || !isClean(err)
			return fmt.Errorf("create documents: %w", err)
		case n == 1:
			p.reject(pc.records[0], fmt.Errorf("%w, _id %s, %d bytes", failure(x.resp), p.ids[pc.records[0]], len(pc.body)))
		default:
			s.shrink(x.resp, len(pc.body))
			queue = append(queue, pc.slice(n/2, n), pc.slice(0, n/2))
		}
	}
	return nil
}

// worse returns the error that decides: permanent before doubt before waiting.
func worse(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || pipeline.IsPermanent(a):
		return a
	case pipeline.IsPermanent(b) || isClean(a):
		return b
	}
	return a
}

// shrink keeps later requests smaller than one of size that was too large.
func (s *sink) shrink(resp *httpclient.Response, size int) {
	if resp.Status != http.StatusRequestEntityTooLarge || size/2 >= s.limit {
		return
	}
	s.limit = max(size/2, smallest)
	s.log.Warn("the server refuses requests of this size", "lane", s.lane, "bytes", size, "hint", "raise http.max_content_length, or what a proxy allows")
}

// bulk sends one request with the memory of x. Several may be sent at a time.
func (s *sink) bulk(ctx context.Context, x *slot, body []byte) (*httpclient.Response, error) {
	c := call{method: http.MethodPost, path: bulkPath, body: body, content: typeLines, gzip: s.config.Gzip}
	if s.config.Gzip {
		c.body = x.zip.compress(body)
	}
	resp, err := s.ask(ctx, c)
	if err != nil || resp.Status != http.StatusOK {
		// The request may not have been read to its end, and whoever reads on must
		// not see another request's bytes.
		x.zip.out, x.lent = nil, true
	}
	return resp, err
}

// reuse empties the piece that is filled next.
func (x *slot) reuse() {
	if x.lent {
		x.piece, x.lent = piece{}, false
	}
	x.piece.records, x.piece.ends, x.piece.body = x.piece.records[:0], x.piece.ends[:0], x.piece.body[:0]
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
