//go:build measure && unix

package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/linkedin/goavro/v2"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/s3/format"
	"auditlog-connector/sources/openai"
)

// init makes a child of this program before any test is looked for.
func init() {
	if what := os.Getenv(benchEnv); what != "" {
		benchChild(what)
	}
}

// benchChild is main of a child; it does not return.
func benchChild(what string) {
	if what == "null" {
		server := httptest.NewServer(http.HandlerFunc(nullStore))
		fmt.Println(server.URL)
		select {}
	}
	if err := benchWork(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// claims are what the null store keeps.
var claims sync.Map

// nullStore takes everything, keeps the claim alone, and says that what must not be
// there is there when it is asked for the probe.
func nullStore(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".json") {
		text, _ := io.ReadAll(r.Body)
		claims.Store(r.URL.Path, text)
	}
	io.Copy(io.Discard, r.Body)
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		reply(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
	case strings.HasSuffix(r.URL.Path, ".probe") && !q.Has("partNumber") && r.Method != http.MethodDelete:
		refuse(w, r, 412, "PreconditionFailed", "")
	case strings.HasSuffix(r.URL.Path, ".json") && r.Method == http.MethodGet:
		if text, ok := claims.Load(r.URL.Path); ok {
			w.Write(text.([]byte))
			return
		}
		refuse(w, r, 404, "NoSuchKey", "")
	case r.Method == http.MethodPost:
		reply(w, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
	case r.Method == http.MethodGet && q.Has("uploads"):
		reply(w, "<ListMultipartUploadsResult></ListMultipartUploadsResult>")
	case r.Method == http.MethodGet:
		reply(w, "<ListBucketResult></ListBucketResult>")
	default:
		w.Header().Set("ETag", `"x"`)
	}
}

func benchWork() error {
	var task benchTask
	if err := json.NewDecoder(os.Stdin).Decode(&task); err != nil {
		return err
	}
	text, err := os.ReadFile(task.Entries)
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	put, err := benchVariant(task)
	if err != nil {
		return err
	}
	began, used := time.Now(), cpu()
	for n := range task.Events / task.Object {
		at := n * task.Object % len(lines)
		if err := put(uint64(n)+1, lines[at:min(at+task.Object, len(lines))]); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(benchResult{time.Since(began), cpu() - used, peak(os.Getpid())})
}

// benchVariant returns what makes and puts one object of entries.
func benchVariant(task benchTask) (func(seq uint64, lines [][]byte) error, error) {
	ctx := context.Background()
	client := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &task.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("testaccess", "testsecret123", ""),
	})
	bucket := "audit"
	plain := func(encode func(seq uint64, lines [][]byte) ([]byte, error)) func(uint64, [][]byte) error {
		return func(seq uint64, lines [][]byte) error {
			content, err := encode(seq, lines)
			if err != nil {
				return err
			}
			key := fmt.Sprintf("plain/%d/%d", os.Getpid(), seq)
			_, err = client.PutObject(ctx, &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)})
			return err
		}
	}
	switch task.Variant {
	case "plain own encoder":
		e := format.NewEncoder(format.Format{Container: format.Avro, Schema: "normalized"})
		return plain(func(seq uint64, lines [][]byte) ([]byte, error) {
			b, err := records(seq, lines)
			if err != nil {
				return nil, err
			}
			return e.Encode(&b)
		}), nil
	case "plain JSON":
		return plain(plainJSON), nil
	case "plain goavro":
		return plain(plainAvro), nil
	}
	c := defaults()
	c.Bucket, c.Endpoint, c.PathStyle, c.Region = bucket, task.URL, true, "us-east-1"
	c.Prefix = strconv.Itoa(os.Getpid())
	for line := range strings.Lines(task.Variant) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		*map[string]*string{"format": &c.Format, "schema": &c.Schema, "compression": &c.Compression}[name] = value
	}
	s := newSink(&c, sinks.Env{Source: "acme", Sink: "archive", Lane: "acme/archive", Logger: slog.New(slog.DiscardHandler)})
	if err := s.Claim(ctx, pipeline.Checkpoint{Epoch: epoch, Next: 1, Start: pipeline.Earliest}, false); err != nil {
		return nil, err
	}
	return func(seq uint64, lines [][]byte) error {
		b, err := records(seq, lines)
		if err != nil {
			return err
		}
		b.Place = s.Place(b.Manifest)
		return s.Deliver(ctx, b)
	}, nil
}

// records makes a batch of entries, as the pipeline's stages do.
func records(seq uint64, lines [][]byte) (b pipeline.Batch, err error) {
	b.ID = pipeline.BatchID{Lane: "acme/archive", Epoch: epoch, Seq: seq}
	b.Records, b.Members = make([]pipeline.Record, 0, len(lines)), make([]pipeline.Position, 0, len(lines))
	var packer schemas.Packer
	for _, line := range lines {
		e, err := openai.Normalize("acme", line)
		if err != nil {
			return b, err
		}
		b.Records = append(b.Records, pipeline.Record{Event: e})
		r := &b.Records[len(b.Records)-1]
		r.Avro = packer.Pack(&r.Audit)
		b.Members = append(b.Members, e.Position)
	}
	return b, nil
}

// plainJSON is what somebody writes in an afternoon: decode, add a field, encode.
func plainJSON(_ uint64, lines [][]byte) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, line := range lines {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, err
		}
		e["source"] = "acme"
		if err := enc.Encode(e); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// plainAvro takes the same records through goavro's container.
func plainAvro(seq uint64, lines [][]byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &out, Codec: schemas.Codec(), CompressionName: goavro.CompressionDeflateLabel})
	if err != nil {
		return nil, err
	}
	b, err := records(seq, lines)
	if err != nil {
		return nil, err
	}
	var all []any
	for i := range b.Records {
		native, _, err := schemas.Codec().NativeFromBinary(b.Records[i].Avro)
		if err != nil {
			return nil, err
		}
		all = append(all, native)
		if len(all) == 200 || i == len(b.Records)-1 {
			if err := w.Append(all); err != nil {
				return nil, err
			}
			all = all[:0]
		}
	}
	return out.Bytes(), nil
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the high-water mark of a process's memory, in KiB.
func peak(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n
}
