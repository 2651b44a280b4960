package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is an S3 store in memory, strict about what the sink relies on:
// conditions, checksums and signatures' sums. It is trusted because the suite passes
// on it and on real servers alike. It has one bucket.
type fakeStore struct {
	mu      sync.Mutex
	bucket  string
	objects map[string]*fakeObject
	uploads map[string]*fakeUpload
	next    int
	seen    []string // method and key of every request

	careless      bool // the store does not know conditions
	carelessParts bool // … of uploads in parts

	// answer, if not nil, may answer a request instead of the store.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

type fakeObject struct {
	body   []byte
	etag   string
	header http.Header
	at     time.Time
}

type fakeUpload struct {
	key    string
	header http.Header
	parts  map[int][]byte
}

func newFake(t testing.TB) (*fakeStore, string) {
	f := &fakeStore{bucket: "audit", objects: make(map[string]*fakeObject), uploads: make(map[string]*fakeUpload)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/")
	bucket, key, _ := strings.Cut(path, "/")
	f.seen = append(f.seen, r.Method+" "+key)
	w.Header().Set("X-Amz-Request-Id", fmt.Sprintf("REQ%d", len(f.seen)))
	switch {
	case f.answer != nil && f.answer(w, r):
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		refuse(w, r, 403, "AccessDenied", "not signed")
	case r.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" && r.Header.Get("X-Amz-Content-Sha256") != hexSum(body):
		refuse(w, r, 400, "XAmzContentSHA256Mismatch", "the body is another")
	case r.Header.Get("X-Amz-Checksum-Sha256") != "" && r.Header.Get("X-Amz-Checksum-Sha256") != base64Sum(body):
		refuse(w, r, 400, "BadDigest", "the checksum is wrong")
	case bucket != f.bucket:
		refuse(w, r, 404, "NoSuchBucket", "the bucket does not exist")
	case key == "" && r.Method == http.MethodGet && r.URL.Query().Has("uploads"):
		f.listUploads(w, r)
	case key == "" && r.Method == http.MethodGet:
		f.list(w, r)
	case key == "" && r.Method == http.MethodHead:
		w.Header().Set("X-Amz-Bucket-Region", "us-east-1")
	default:
		f.object(w, r, key, body)
	}
}

func (f *fakeStore) object(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		f.next++
		id := strconv.Itoa(f.next)
		f.uploads[id] = &fakeUpload{key, kept(r.Header), make(map[int][]byte)}
		reply(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case id != "" && (f.uploads[id] == nil || f.uploads[id].key != key):
		refuse(w, r, 404, "NoSuchUpload", "no such upload")
	case r.Method == http.MethodPut && id != "":
		if r.Header.Get("X-Amz-Checksum-Sha256") == "" {
			refuse(w, r, 400, "InvalidRequest", "a part without checksum")
			return
		}
		n, _ := strconv.Atoi(q.Get("partNumber"))
		f.uploads[id].parts[n] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodDelete && id != "":
		delete(f.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && id != "":
		f.complete(w, r, id, body)
	case r.Method == http.MethodPut:
		if f.met(w, r, key, f.careless) {
			f.objects[key] = &fakeObject{body, etag(body), kept(r.Header), time.Now()}
			w.Header().Set("ETag", etag(body))
		}
	case f.objects[key] == nil:
		refuse(w, r, 404, "NoSuchKey", "the key does not exist")
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		o := f.objects[key]
		maps.Copy(w.Header(), o.header)
		w.Header().Set("ETag", o.etag)
		w.Header().Set("Last-Modified", o.at.UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(o.body)
		}
	}
}

// met answers a request whose condition does not hold.
func (f *fakeStore) met(w http.ResponseWriter, r *http.Request, key string, careless bool) bool {
	o := f.objects[key]
	none, match := r.Header.Get("If-None-Match"), r.Header.Get("If-Match")
	switch {
	case careless:
	case none != "" && o != nil, match != "" && o != nil && o.etag != match:
		refuse(w, r, 412, "PreconditionFailed", "a condition does not hold")
		return false
	case match != "" && o == nil:
		refuse(w, r, 404, "NoSuchKey", "the key does not exist")
		return false
	}
	return true
}

func (f *fakeStore) complete(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	var list struct {
		Part []struct {
			PartNumber     int
			ETag           string
			ChecksumSHA256 string
		}
	}
	if err := xml.Unmarshal(body, &list); err != nil {
		refuse(w, r, 400, "MalformedXML", err.Error())
		return
	}
	u := f.uploads[id]
	var whole []byte
	for i, p := range list.Part {
		part, ok := u.parts[p.PartNumber]
		if !ok || p.PartNumber != i+1 || p.ETag != etag(part) || p.ChecksumSHA256 != base64Sum(part) {
			refuse(w, r, 400, "InvalidPart", "a part is missing or another")
			return
		}
		whole = append(whole, part...)
	}
	if !f.met(w, r, u.key, f.careless || f.carelessParts) {
		return
	}
	f.objects[u.key] = &fakeObject{whole, etag(whole), u.header, time.Now()}
	delete(f.uploads, id)
	reply(w, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", etag(whole))
}

func (f *fakeStore) listUploads(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(f.uploads)) {
		if key := f.uploads[id].key; strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			fmt.Fprintf(&b, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", key, id)
		}
	}
	reply(w, "<ListMultipartUploadsResult>%s<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>", b.String())
}

func (f *fakeStore) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	most := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = n
	}
	var b strings.Builder
	n, last, truncated := 0, "", false
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		name, entry := key, fmt.Sprintf("<Contents><Key>%s</Key><Size>%d</Size><LastModified>%s</LastModified></Contents>", key,
			len(f.objects[key].body), f.objects[key].at.UTC().Format(time.RFC3339))
		if i := strings.Index(strings.TrimPrefix(key, prefix), delimiter); delimiter != "" && i >= 0 {
			name = key[:len(prefix)+i+1]
			entry = "<CommonPrefixes><Prefix>" + name + "</Prefix></CommonPrefixes>"
		}
		if name <= after || name == last {
			continue
		}
		if n == most {
			truncated = true
			break
		}
		n, last = n+1, name
		b.WriteString(entry)
	}
	if truncated {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", last)
	}
	reply(w, "<ListBucketResult>%s<IsTruncated>%t</IsTruncated></ListBucketResult>", b.String(), truncated)
}

// kept is what of a request's header becomes that of the object.
func kept(h http.Header) http.Header {
	out := make(http.Header)
	for k, v := range h {
		if strings.HasPrefix(k, "X-Amz-Meta-") || strings.HasPrefix(k, "X-Amz-Server-Side-") || strings.HasPrefix(k, "X-Amz-Object-Lock-") ||
			k == "X-Amz-Storage-Class" || k == "X-Amz-Tagging" || k == "Content-Type" {
			out[k] = v
		}
	}
	return out
}

func reply(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, xml.Header+format, args...)
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, xml.Header+"<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}
}

func etag(b []byte) string {
	sum := md5.Sum(b)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func base64Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// key returns the content of an object, nil if there is none.
func (f *fakeStore) key(key string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.objects[key]; o != nil {
		return bytes.Clone(o.body)
	}
	return nil
}

// keys lists the keys that begin with prefix.
func (f *fakeStore) keys(prefix string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}
