package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// keyPair is a certificate with its key, read again when one of its files changes.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	cert   *tls.Certificate
	stamps [2]fileStamp // of the files when they were last read, whether or not they could be used
}

// fileStamp tells one content of a file from another.
type fileStamp struct {
	size int64
	at   time.Time
}

// load reads the pair for the first time.
func (p *keyPair) load() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamps, err := p.look()
	if err == nil {
		err = p.read(stamps)
	}
	return err
}

// certificate is a [tls.Config]'s GetCertificate. Files that cannot be used, as
// while they are being replaced, leave the certificate as it was.
func (p *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamps, err := p.look()
	if err == nil && stamps == p.stamps {
		return p.cert, nil
	}
	if err == nil {
		err = p.read(stamps)
	}
	if err != nil {
		p.log.Warn("certificate stays as it was", "err", err)
	} else {
		p.log.Info("certificate read again", "file", p.certFile)
	}
	return p.cert, nil
}

func (p *keyPair) look() (stamps [2]fileStamp, err error) {
	for i, name := range []string{p.certFile, p.keyFile} {
		info, statErr := os.Stat(name)
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		stamps[i] = fileStamp{info.Size(), info.ModTime()}
	}
	return stamps, err
}

func (p *keyPair) read(stamps [2]fileStamp) error {
	p.stamps = stamps
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("read %s and %s: %w", p.certFile, p.keyFile, err)
	}
	p.cert = &cert
	return nil
}
