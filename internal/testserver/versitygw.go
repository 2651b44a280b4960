package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const versityModule = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Versity starts a Versity S3 gateway over a folder: strict about regions and
// errors, with accounts that [S3.Account] makes and takes away.
func Versity(t testing.TB, o S3Options) *S3 {
	t.Helper()
	dir := Install(t, "versitygw-1.8.0", func(dir string) error { return GoInstall(dir, versityModule) })
	store := dataFolder(t)
	for _, name := range []string{"iam", "versions", "data"} {
		if err := os.Mkdir(filepath.Join(store, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return startS3(t, filepath.Join(dir, "versitygw"), o,
		func(addr, tls string) []string {
			args := []string{"--port", addr, "--iam-dir", filepath.Join(store, "iam")}
			if tls != "" {
				args = append(args, "--cert", filepath.Join(tls, "public.crt"), "--key", filepath.Join(tls, "private.key"))
			}
			return append(args, "posix", "--versioning-dir", filepath.Join(store, "versions"), filepath.Join(store, "data"))
		},
		"ROOT_ACCESS_KEY="+s3AccessKey, "ROOT_SECRET_KEY="+s3SecretKey)
}

// Account makes an account of a Versity server, or, with an empty secret, takes it
// away. An "admin" may do everything, a "user" what bucket policies allow.
func (s *S3) Account(t testing.TB, role, accessKey, secret string) {
	t.Helper()
	args := []string{"admin", "--access", s.AccessKey, "--secret", s.SecretKey, "--endpoint-url", s.URL, "--region", "us-east-1"}
	if secret == "" {
		args = append(args, "delete-user", "--access", accessKey)
	} else {
		args = append(args, "create-user", "--access", accessKey, "--secret", secret, "--role", role)
	}
	if err := Run(exec.Command(s.Program, args...)); err != nil {
		t.Fatal(err)
	}
}
