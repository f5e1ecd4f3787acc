// SPDX-License-Identifier: Apache-2.0

// Go as a client over HTTP/2: go run http2.go URL CA. A hundred requests at once on one connection, a megabyte sent to
// where POST is not allowed, and what an idle connection says to a ping. Prints what came.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
)

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	get := func(path string) (int, string, int) {
		answer, err := client.Get(os.Args[1] + path)
		if err != nil {
			log.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			log.Fatal(err)
		}
		return answer.StatusCode, answer.Proto, len(body)
	}
	fmt.Println(get("/small.txt"))
	var all sync.WaitGroup
	var lock sync.Mutex
	counts := map[string]int{}
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			status, proto, n := get("/large.bin")
			lock.Lock()
			counts[fmt.Sprint(status, " ", proto, " ", n)]++
			lock.Unlock()
		}()
	}
	all.Wait()
	fmt.Println(counts)
	early := 0
	request, _ := http.NewRequest("POST", os.Args[1]+"/small.txt", bytes.NewReader(make([]byte, 1<<20)))
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{Got100Continue: func() { early++ }}))
	answer, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.StatusCode, answer.Header.Get("Allow"))
	fmt.Println(get("/small.txt"))
}
