// SPDX-License-Identifier: Apache-2.0

// A client by Go: go run peer.go PORT HOST CA VERSION [resume]. Prints version, suite and whether the session was resumed, and what came. The
// chain and the name are checked.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	pem, err := os.ReadFile(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	version := uint16(tls.VersionTLS13)
	if os.Args[4] == "1.2" {
		version = tls.VersionTLS12
	}
	config := &tls.Config{RootCAs: roots, ServerName: os.Args[2], MinVersion: version, MaxVersion: version, NextProtos: []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	for i := 0; i < len(os.Args)-4; i++ {
		c, err := tls.Dial("tcp", "127.0.0.1:"+os.Args[1], config)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", os.Args[2])
		body, err := io.ReadAll(c)
		if err != nil {
			log.Fatal(err)
		}
		s := c.ConnectionState()
		how := "full"
		if s.DidResume {
			how = "resumed"
		}
		fmt.Printf("%04x %s %s %s\n%s\n", s.Version, tls.CipherSuiteName(s.CipherSuite), s.NegotiatedProtocol, how, body)
		c.Close()
	}
}
