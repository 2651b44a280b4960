package s3

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

func encoded(r pipeline.Record) []byte { return schemas.Encode(nil, &r.Audit) }

type issued struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// assumeRole takes on a role of MinIO that may do no more than policy says.
func assumeRole(t *testing.T, server *testserver.S3, policy string) issued {
	t.Helper()
	client := sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	role, name := "arn:aws:iam::123456789012:role/x", "test"
	out, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name, Policy: &policy})
	if err != nil {
		t.Fatal(err)
	}
	return issued{*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken}
}

func TestAssumeRole(t *testing.T) {
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit")
	s.create(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	f := on(t, s, "assume_role: { arn: 'arn:aws:iam::123456789012:role/writer', external_id: x }")
	f.claim(1)
	f.deliver(f.batch(1, 2))
	if got, err := f.conn.credentials.Retrieve(t.Context()); err != nil || got.SessionToken == "" || got.AccessKeyID == "testaccess" {
		t.Errorf("it wrote with the credentials of the environment: %v", err)
	}
}

// issuer is an OpenID provider such as a Kubernetes cluster.
type issuer struct {
	key *rsa.PrivateKey
	url string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`,
			i.url, i.url+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		e := big.NewInt(int64(key.E)).Bytes()
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"1","n":%q,"e":%q}]}`, text64(key.N.Bytes()), text64(e))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func text64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token is a service account's token, as a pod finds it in a file.
func (i *issuer) token(t *testing.T) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": i.url, "aud": "sts.amazonaws.com", "sub": "system:serviceaccount:audit:connector",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	signed := text64([]byte(`{"alg":"RS256","kid":"1","typ":"JWT"}`)) + "." + text64(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + text64(signature)
}

// knowsItsPolicies waits until the server gives out credentials: it takes requests
// before it has read the policies that a role names.
func knowsItsPolicies(t *testing.T, server *testserver.S3, token string) {
	t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "WebIdentityToken": {token}, "RoleArn": {roleOf(t, server)}}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.PostForm(server.URL, form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the server gives no credentials: %s", resp.Status)
		}
	}
}

// TestRoleOfAServiceAccount reads nothing but the variables that EKS sets.
func TestRoleOfAServiceAccount(t *testing.T) {
	testserver.Require(t)
	i := newIssuer(t)
	server := testserver.MinIO(t, testserver.S3Options{Env: []string{
		"MINIO_IDENTITY_OPENID_CONFIG_URL=" + i.url + "/.well-known/openid-configuration",
		"MINIO_IDENTITY_OPENID_CLIENT_ID=sts.amazonaws.com", "MINIO_IDENTITY_OPENID_ROLE_POLICY=readwrite",
	}})
	s := newStore(t, server.URL, "", "audit")
	s.create(t)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, i.token(t))
	knowsItsPolicies(t, server, i.token(t))
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_REGION": "us-east-1",
		"AWS_ROLE_ARN": roleOf(t, server), "AWS_ENDPOINT_URL_STS": server.URL, "AWS_ENDPOINT_URL_S3": server.URL,
	} {
		t.Setenv(name, value)
	}
	f := &fixture{T: t, sink: open(t, settings(t, "bucket: audit\npath_style: true"), "acme/archive", nil)}
	t.Cleanup(func() { f.Close() })
	f.claim(1)
	f.deliver(f.batch(1, 3))
	if got, _ := s.contents(t, ""); len(got) != 3 {
		t.Errorf("%d events, want 3", len(got))
	}
	if got, err := f.conn.credentials.Retrieve(t.Context()); err != nil || got.SessionToken == "" {
		t.Errorf("not the role's credentials: %v", err)
	}
}

// roleOf finds the role that MinIO has made up for the provider: it says so in its
// log, some time after it takes requests.
func roleOf(t *testing.T, server *testserver.S3) string {
	t.Helper()
	name := regexp.MustCompile(`arn:minio:iam:::role/\S+`)
	for range 600 {
		if role := name.FindString(server.Tail()); role != "" {
			return role
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("MinIO names no role:\n%s", server.Tail())
	return ""
}
