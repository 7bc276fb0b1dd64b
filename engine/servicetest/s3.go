package servicetest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// S3 is a private server that speaks S3 and checks signatures. It holds one
// bucket, in memory.
type S3 struct {
	// Endpoint is the server's host and port; it speaks HTTP.
	Endpoint             string
	Bucket               string
	AccessKey, SecretKey string

	down atomic.Bool
	puts atomic.Int64
}

// StartS3 starts an S3 server that ends with the test.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	s := &S3{Bucket: "payloads", AccessKey: "paragon", SecretKey: "a-secret-of-this-test"}
	backend := s3mem.New()
	if err := backend.CreateBucket(t.Context(), s.Bucket); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(backend, gofakes3.WithV4Auth(map[string]string{s.AccessKey: s.SecretKey})).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		if r.Method == http.MethodPut {
			s.puts.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.Endpoint = strings.TrimPrefix(server.URL, "http://")
	return s
}

// Cut makes the server cut every connection, or no more.
func (s *S3) Cut(yes bool) { s.down.Store(yes) }

// Puts is how many objects were sent to the server so far.
func (s *S3) Puts() int64 { return s.puts.Load() }
