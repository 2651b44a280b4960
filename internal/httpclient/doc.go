// Package httpclient sends HTTP requests as connectors have to: bounded, without
// following redirects, without retries, and with errors that say what the pipeline
// does next and never contain a credential.
package httpclient
