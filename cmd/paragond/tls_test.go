package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"paragon/engine/servicetest"
)

// The API, Postgres and Redis speak TLS, each with a certificate that is
// verified; who does not trust it is not served.
func TestTLS(t *testing.T) {
	certificate, other := servicetest.NewCertificate(t), servicetest.NewCertificate(t)
	redis := servicetest.StartRedis(t, servicetest.RedisOptions{TLS: certificate})
	postgres := servicetest.StartPostgres(t, servicetest.PostgresOptions{TLS: certificate, Settings: map[string]string{"log_connections": "on"}})
	t.Setenv("PARAGON_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	base, _, _ := strings.Cut(postgres.URL, "?")
	sql := func(ca string) string { return base + "?sslmode=verify-full&sslrootcert=" + ca }
	cache := func(ca string) string {
		return "rediss://" + redis.TLSAddr + "/0?ca=" + ca + "&cert=" + certificate.Cert + "&key=" + certificate.Key
	}
	if out, code := runCommand(t, t.Context(), "migrate", "--postgres", sql(certificate.CA)); code != 0 {
		t.Fatalf("migrate: exit %d, %s", code, out)
	}
	for _, args := range [][]string{
		{"--postgres", sql(other.CA), "--redis", cache(certificate.CA)},
		{"--postgres", sql(certificate.CA), "--redis", cache(other.CA)},
	} {
		if out, code := runCommand(t, t.Context(), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...); code != 1 || !strings.Contains(out, "certificate") {
			t.Errorf("serve with an authority that signed nothing: exit %d, %s", code, out)
		}
	}
	address := startServe(t, "--postgres", sql(certificate.CA), "--redis", cache(certificate.CA),
		"--tls-cert", certificate.Cert, "--tls-key", certificate.Key)

	ask := func(url, ca string) (*http.Response, error) {
		raw, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(raw)
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	resp, err := ask("https://"+address+"/readyz", certificate.CA)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "" ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("over TLS: %s %s %v", resp.Proto, resp.Status, resp.Header)
	}
	if _, err := ask("https://"+address+"/readyz", other.CA); err == nil {
		t.Error("another authority's certificate is trusted")
	}
	if resp, err := ask("http://"+address+"/readyz", certificate.CA); err == nil && resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %s", resp.Status)
	}
	if out, code := runCommand(t, t.Context(), "doctor", "--listen", address, "--postgres", sql(certificate.CA), "--redis", cache(certificate.CA)); !strings.Contains(out, "is served by Paragon") {
		t.Errorf("doctor: exit %d, %s", code, out)
	}
}

var readyLine = regexp.MustCompile(`msg=ready address=(\S+)`)

// startServe runs serve until the test ends, and returns the address that it
// listens on once it is ready.
func startServe(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	log, writer := io.Pipe()
	cmd := newRoot()
	cmd.SetErr(writer)
	cmd.SetArgs(append([]string{"serve", "--listen", "127.0.0.1:0", "--linger", "0"}, args...))
	ended := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		writer.Close()
		ended <- err
	}()
	address := make(chan string, 1)
	read := make(chan struct{})
	var text strings.Builder
	go func() {
		defer close(read)
		defer close(address)
		found := false
		for lines := bufio.NewScanner(log); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil && !found {
				found = true
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		<-read
	})
	got, ok := <-address
	if !ok {
		<-read
		t.Fatalf("serve is not ready:\n%s", &text)
	}
	return got
}
