package testserver

import (
	"crypto/rand"
	"encoding/base64"
	"path/filepath"
	"testing"
)

const minioModule = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"

// MinIO starts a MinIO server: encryption with keys of its own (SSE-KMS key
// "test-key"), object lock, and an STS at the same address.
func MinIO(t testing.TB, o S3Options) *S3 {
	t.Helper()
	dir := Install(t, "minio-7aac2a2c5b7c", func(dir string) error { return GoInstall(dir, minioModule) })
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return startS3(t, filepath.Join(dir, "minio"), o,
		func(addr, tls string) []string {
			args := []string{"server", "--address", addr}
			if tls != "" {
				args = append(args, "--certs-dir", tls)
			}
			return append(args, "data")
		},
		"MINIO_ROOT_USER="+s3AccessKey, "MINIO_ROOT_PASSWORD="+s3SecretKey,
		"MINIO_KMS_SECRET_KEY=test-key:"+base64.StdEncoding.EncodeToString(key), "MINIO_UPDATE=off", "MINIO_BROWSER=off")
}
