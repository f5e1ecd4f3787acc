// SPDX-License-Identifier: Apache-2.0

// A client of HTTP/3 by quic-go: http3 URL... fetches all of them at once over one connection and says of each its version,
// status, length and SHA-256, in order. With -post FILE it sends that.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/lucas-clemente/quic-go/http3"
)

func main() {
	post := flag.String("post", "", "a file to send")
	flag.Parse()
	transport := &http3.RoundTripper{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	client := &http.Client{Transport: transport}
	said := make([]string, flag.NArg())
	var all sync.WaitGroup
	for i, url := range flag.Args() {
		all.Add(1)
		go func(i int, url string) {
			defer all.Done()
			said[i] = ask(client, url, *post)
		}(i, url)
	}
	all.Wait()
	for _, line := range said {
		fmt.Println(line)
	}
}

func ask(client *http.Client, url string, post string) string {
	var answer *http.Response
	var err error
	if post != "" {
		content, problem := os.ReadFile(post)
		if problem != nil {
			return problem.Error()
		}
		answer, err = client.Post(url, "application/octet-stream", bytes.NewReader(content))
	} else {
		answer, err = client.Get(url)
	}
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %d %d %x", answer.Proto, answer.StatusCode, len(body), sha256.Sum256(body))
}
