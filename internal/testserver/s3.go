package testserver

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// S3 is an S3 server on loopback that keeps its objects in a folder of the test.
type S3 struct {
	*Process
	URL       string
	AccessKey string // of the owner, who may do everything
	SecretKey string
	CAFile    string // what to trust; empty without TLS
	Program   string // the server's binary, for its administration
	Dir       string // where it works
}

// S3Options vary an S3 server. The zero value is plain HTTP without extras.
type S3Options struct {
	TLS bool
	Env []string // added to the server's environment
}

const (
	s3AccessKey = "testaccess"
	s3SecretKey = "testsecret123"
)

// startS3 starts program on a port of its own, with args that say where.
func startS3(t testing.TB, program string, o S3Options, args func(addr, tls string) []string, env ...string) *S3 {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	s := &S3{URL: "http://" + addr, AccessKey: s3AccessKey, SecretKey: s3SecretKey, Program: program}
	tls := ""
	if o.TLS {
		tls = t.TempDir()
		writeCertificate(t, filepath.Join(tls, "public.crt"), filepath.Join(tls, "private.key"))
		s.URL, s.CAFile = "https://"+addr, filepath.Join(tls, "public.crt")
	}
	s.Dir = dataFolder(t)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: trusting(t, s.CAFile), DisableKeepAlives: true}}
	s.Process = Start(t, Command{
		Path: program, Args: args(addr, tls), Env: append(env, o.Env...), Dir: s.Dir,
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode >= 500 { // unsigned, so refused as soon as it works
				return fmt.Errorf("it answers %s", resp.Status)
			}
			return nil
		},
	})
	return s
}

// dataFolder is a folder that goes away with the test, whatever a server that is
// being killed still writes into it.
func dataFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "testserver-s3-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
