package steps

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"

	"paragon/engine/outbound"
	"paragon/workflows"
)

func TestRequestIsBuiltFromTheStep(t *testing.T) {
	s, got := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		io.WriteString(w, `{"big": 12345678901234567890, "t": 1.50}`)
	})
	out := perform(t, requests(t), map[string]any{
		"method":  "POST",
		"url":     s.URL + "/a/${{ input.id }}?x=1",
		"query":   map[string]any{"tags": []any{"p q", "${{ input.n }}"}, "none": "${{ input.missing }}", "flag": true, "n": 1.5},
		"headers": map[string]any{"X-Id": "id-${{ input.id }}", "X-Skip": "${{ input.missing }}", "Host": "virtual.example"},
		"body":    map[string]any{"n": "${{ input.n }}", "s": "<${{ input.id }}>"},
	}, map[string]any{"id": "7", "n": 42})
	r := resultOf(t, out)
	req := (*got)[0]
	if req.method != "POST" || req.uri != "/a/7?x=1&flag=true&n=1.5&tags=p+q&tags=42" || req.body != `{"n":42,"s":"<7>"}` || req.host != "virtual.example" {
		t.Errorf("%+v", req)
	}
	if h := req.header; h.Get("X-Id") != "id-7" || h.Get("X-Skip") != "" || h.Get("Content-Type") != "application/json" ||
		h.Get("Idempotency-Key") != "key-1" || !strings.Contains(h.Get("Accept"), "application/json") {
		t.Errorf("%v", h)
	}
	if !strings.Contains(string(out.Result), `"big":12345678901234567890`) {
		t.Errorf("a large number lost digits: %s", out.Result)
	}
	if r["status"] != 200.0 || r["headers"].(map[string]any)["x-two"] != "a, b" {
		t.Errorf("%v", r)
	}
	if out.Request.Method != "POST" || out.Request.Body != req.body || out.Response.Status != 200 || out.Response.Size == 0 {
		t.Errorf("records: %+v %+v", out.Request, out.Response)
	}
}

func TestBodies(t *testing.T) {
	s, got := recorder(t, nil)
	for name, tc := range map[string]struct {
		request     map[string]any
		body        string
		contentType string
	}{
		"none":           {map[string]any{}, "", ""},
		"json list":      {map[string]any{"body": []any{1, "${{ input.a }}"}}, `[1,"x&y"]`, "application/json"},
		"json text":      {map[string]any{"body": "${{ input.a }}"}, `"x&y"`, "application/json"},
		"json null":      {map[string]any{"body": "${{ input.missing }}"}, `null`, "application/json"},
		"json own type":  {map[string]any{"body": map[string]any{}, "headers": map[string]any{"content-type": "application/vnd.api+json"}}, `{}`, "application/vnd.api+json"},
		"form":           {map[string]any{"form": map[string]any{"b": []any{1, 2}, "a": "${{ input.a }}", "n": nil}}, "a=x%26y&b=1&b=2", "application/x-www-form-urlencoded"},
		"raw":            {map[string]any{"raw": "a ${{ input.a }}\n"}, "a x&y\n", ""},
		"raw object":     {map[string]any{"raw": "${{ input }}"}, `{"a":"x&y"}`, ""},
		"raw of nothing": {map[string]any{"raw": "${{ input.missing }}"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			*got = nil
			tc.request["method"], tc.request["url"] = "POST", s.URL
			resultOf(t, perform(t, requests(t), tc.request, map[string]any{"a": "x&y"}))
			if r := (*got)[0]; r.body != tc.body || r.header.Get("Content-Type") != tc.contentType {
				t.Errorf("%q %q", r.body, r.header.Get("Content-Type"))
			}
		})
	}
}

func TestMultipart(t *testing.T) {
	type part struct{ filename, contentType, content string }
	arrived := map[string]part{}
	s, got := recorder(t, func(_ http.ResponseWriter, r *http.Request) {
		reader, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		for {
			p, err := reader.NextPart()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(p)
			arrived[p.FormName()] = part{p.FileName(), p.Header.Get("Content-Type"), string(b)}
		}
	})
	request := map[string]any{"method": "POST", "url": s.URL, "multipart": []any{
		map[string]any{"name": "plain", "value": "a ${{ input.x }}"},
		map[string]any{"name": "json", "value": map[string]any{"k": "${{ input.x }}"}},
		map[string]any{"name": "file", "value": "AP+A", "base64": true, "filename": "a\"\r\nX-Evil: 1.bin"},
		map[string]any{"name": "typed", "value": "<a/>", "filename": "a.xml", "contentType": "text/xml"},
	}}
	resultOf(t, perform(t, requests(t), request, map[string]any{"x": "y"}))
	resultOf(t, perform(t, requests(t), request, map[string]any{"x": "y"}))
	want := map[string]part{
		"plain": {"", "", "a y"},
		"json":  {"", "application/json", `{"k":"y"}`},
		"file":  {"a%22%0D%0AX-Evil: 1.bin", "application/octet-stream", "\x00\xff\x80"},
		"typed": {"a.xml", "text/xml", "<a/>"},
	}
	for name, w := range want {
		if arrived[name] != w {
			t.Errorf("%s: %q, want %q", name, arrived[name], w)
		}
	}
	if (*got)[0].body != (*got)[1].body {
		t.Error("a second attempt sends other bytes")
	}
	for _, bad := range []any{"text", []any{"x"}, []any{map[string]any{"value": "x"}}, []any{map[string]any{"name": "x", "value": "%%", "base64": true}},
		[]any{map[string]any{"name": "x", "value": "y", "contentType": "a\nb: c"}}} {
		if _, _, err := parts(bad, "seed"); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestResponses(t *testing.T) {
	const latin = "caf\xe9"
	for name, tc := range map[string]struct {
		mode, contentType, body, want string
	}{
		"auto json":         {"", "application/json; charset=utf-8", ` {"a": [1]} `, `{"a":[1]}`},
		"auto +json":        {"", "application/problem+json", `1`, `1`},
		"auto text":         {"", "text/plain", `{"a":1}`, `"{\"a\":1}"`},
		"auto html":         {"auto", "text/html", `<p>&</p>`, `"<p>&</p>"`},
		"auto empty":        {"", "application/json", ``, `null`},
		"auto bom":          {"", "application/json", "\xef\xbb\xbf{}", `{}`},
		"json":              {"json", "text/plain", `{"a":1}`, `{"a":1}`},
		"text":              {"text", "application/json", `{"a":1}`, `"{\"a\":1}"`},
		"text latin":        {"text", "text/plain; charset=ISO-8859-1", latin, `"café"`},
		"text invalid":      {"text", "text/plain", latin, `"caf�"`},
		"bytes":             {"bytes", "application/octet-stream", "\x00\xff", `"AP8="`},
		"none":              {"none", "application/json", `{"a":1}`, `null`},
		"invalid utf8 json": {"json", "", "\"\xff\"", `"�"`},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.contentType)
				io.WriteString(w, tc.body)
			})
			request := map[string]any{"url": s.URL}
			if tc.mode != "" {
				request["response"] = tc.mode
			}
			out := perform(t, requests(t), request, nil)
			var r struct{ Body json.RawMessage }
			if out.Err != nil || json.Unmarshal(out.Result, &r) != nil || string(r.Body) != tc.want {
				t.Errorf("%s %v", r.Body, out.Err)
			}
		})
	}
	s, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "<html>oops</html>")
	})
	out := perform(t, requests(t), map[string]any{"url": s.URL}, nil)
	wantError(t, out, errorResponse, false)
	if !strings.Contains(out.Err.Message, "<html>oops") || out.Response == nil {
		t.Error(out.Err.Message)
	}
}

func TestStatuses(t *testing.T) {
	bin := httptest.NewServer(httpbin.New())
	defer bin.Close()
	r := requests(t)
	for _, tc := range []struct {
		status string
		accept []any
		ok     bool
	}{
		{"200", nil, true}, {"204", nil, true}, {"304", nil, true}, {"400", nil, false}, {"404", nil, false}, {"503", nil, false},
		{"404", []any{404}, true}, {"404", []any{"4xx"}, true}, {"404", []any{"404"}, true}, {"404", []any{409, "5xx"}, false},
	} {
		request := map[string]any{"url": bin.URL + "/status/" + tc.status}
		if tc.accept != nil {
			request["accept"] = tc.accept
		}
		out := perform(t, r, request, nil)
		if tc.ok != (out.Err == nil) {
			t.Errorf("%s accept %v: %v", tc.status, tc.accept, out.Err)
		}
		if !tc.ok && (out.Err.Type != "http" || out.Fatal) {
			t.Errorf("%s: %+v", tc.status, out.Err)
		}
	}
	s, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(429)
		io.WriteString(w, "slow\n down, "+password)
	})
	out := perform(t, r, map[string]any{"url": s.URL + "/p?key=${{ secrets.TOKEN }}"}, nil)
	wantError(t, out, "http", false)
	if out.RetryAfter != 17*time.Second || out.Err.Status != 429 ||
		out.Err.Message != "GET "+s.URL+"/p?***: 429 Too Many Requests: slow down, ***" {
		t.Errorf("%s %+v", out.RetryAfter, out.Err)
	}
	if strings.Contains(out.Request.URL, "tok-secret") || strings.Contains(out.Response.Body, password) {
		t.Errorf("%+v %+v", out.Request, out.Response)
	}
	out = perform(t, r, map[string]any{"url": s.URL, "response": "none"}, nil)
	wantError(t, out, "http", false)
}

func TestRedirects(t *testing.T) {
	bin := httptest.NewServer(httpbin.New())
	defer bin.Close()
	r := requests(t)
	if got := resultOf(t, perform(t, r, map[string]any{"url": bin.URL + "/redirect/3"}, nil)); got["status"] != 200.0 {
		t.Errorf("%v", got)
	}
	if got := resultOf(t, perform(t, r, map[string]any{"url": bin.URL + "/redirect/3", "followRedirects": 0}, nil)); got["status"] != 302.0 || got["headers"].(map[string]any)["location"] == nil {
		t.Errorf("%v", got)
	}
	wantError(t, perform(t, r, map[string]any{"url": bin.URL + "/redirect/3", "followRedirects": 2}, nil), "redirect", false)
}

func TestAuth(t *testing.T) {
	s, got := recorder(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) })
	out := perform(t, requests(t), map[string]any{"url": s.URL, "auth": map[string]any{"basic": map[string]any{"username": "${{ input.u }}", "password": "${{ secrets.PASSWORD }}"}}}, map[string]any{"u": "me"})
	resultOf(t, out)
	req := http.Request{Header: (*got)[0].header}
	if u, p, _ := req.BasicAuth(); u != "me" || p != password {
		t.Errorf("%s %s", u, p)
	}
	if out.Request.Headers["authorization"] != "***" || out.Response.Body != "Basic ***" {
		t.Errorf("%v %s", out.Request.Headers, out.Response.Body)
	}
	resultOf(t, perform(t, requests(t), map[string]any{"url": s.URL, "auth": map[string]any{"bearer": map[string]any{"token": "${{ secrets.TOKEN }}"}}}, nil))
	if h := (*got)[1].header.Get("Authorization"); h != "Bearer tok-secret-123" {
		t.Error(h)
	}
	for name, auth := range map[string]map[string]any{
		"colon": {"basic": map[string]any{"username": "a:b", "password": "x"}},
		"break": {"bearer": map[string]any{"token": "${{ input.evil }}"}},
		"empty": {"bearer": map[string]any{"token": "${{ input.missing }}"}},
	} {
		out := perform(t, requests(t), map[string]any{"url": s.URL, "auth": auth}, map[string]any{"evil": "a\r\nX: y"})
		if out.Err == nil || !out.Fatal || out.Err.Type != "expression" {
			t.Errorf("%s: %+v", name, out.Err)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	s, got := recorder(t, nil)
	r := requests(t)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		resultOf(t, perform(t, r, map[string]any{"method": method, "url": s.URL}, nil))
	}
	resultOf(t, perform(t, r, map[string]any{"url": s.URL, "headers": map[string]any{"idempotency-key": "own"}}, nil))
	for i, want := range []string{"key-1", "key-1", "key-1", "own"} {
		if h := (*got)[i].header.Get("Idempotency-Key"); h != want {
			t.Errorf("%d: %q", i, h)
		}
	}
}

func TestWhatCantBeSentIsFatal(t *testing.T) {
	r := requests(t)
	evil := map[string]any{"crlf": "x\r\nX-Injected: 1", "lf": "x\nHost: y", "nul": "a\x00b", "space": "exa mple.com", "list": []any{1}}
	for name, request := range map[string]map[string]any{
		"header CRLF":       {"url": "http://127.0.0.1:1/", "headers": map[string]any{"X-A": "${{ input.crlf }}"}},
		"header LF":         {"url": "http://127.0.0.1:1/", "headers": map[string]any{"X-A": "${{ input.lf }}"}},
		"header NUL":        {"url": "http://127.0.0.1:1/", "headers": map[string]any{"X-A": "${{ input.nul }}"}},
		"host CRLF":         {"url": "http://127.0.0.1:1/", "headers": map[string]any{"Host": "${{ input.crlf }}"}},
		"connection header": {"url": "http://127.0.0.1:1/", "headers": map[string]any{"Transfer-Encoding": "chunked"}},
		"url CRLF":          {"url": "http://127.0.0.1:1/${{ input.crlf }}"},
		"url host":          {"url": "http://${{ input.space }}/"},
		"url empty":         {"url": "${{ input.missing }}"},
		"url relative":      {"url": "${{ 'path' }}"},
		"url scheme":        {"url": "${{ 'file:///etc/passwd' }}"},
		"url port":          {"url": "http://127.0.0.1:${{ 'abc' }}/"},
		"expression":        {"url": "http://127.0.0.1:1/${{ input.list.x.y }}"},
		"query expression":  {"url": "http://127.0.0.1:1/", "query": map[string]any{"a": "${{ 1 / input.missing }}"}},
		"method":            {"url": "http://127.0.0.1:1/", "method": "${{ input.crlf }}"},
	} {
		t.Run(name, func(t *testing.T) {
			raw, _ := json.Marshal(map[string]any{"steps": []any{map[string]any{"id": "it", "request": request}}})
			if _, err := workflows.CompileSpec("test", raw); err != nil {
				t.Logf("refused when it is applied: %v", err)
				return
			}
			out := perform(t, r, request, evil)
			wantError(t, out, "expression", true)
			if strings.ContainsAny(out.Err.Message, "\r\n\x00") {
				t.Errorf("%q", out.Err.Message)
			}
		})
	}
}

func TestFailuresOfTheNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	l.Close()
	wantError(t, perform(t, requests(t), map[string]any{"url": gone}, nil), "network", false)

	hang := make(chan struct{})
	s, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		case "/slow":
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			block := make([]byte, 1<<20)
			for range 32 {
				z.Write(block)
			}
			z.Close()
		}
	})
	defer close(hang)
	short := func(c *Call) { c.Step.Timeout = 60 * time.Millisecond }
	for _, path := range []string{"/hang", "/slow"} {
		out := perform(t, requests(t), map[string]any{"url": s.URL + path}, nil, short)
		wantError(t, out, "timeout", false)
		if !strings.Contains(out.Err.Message, "no answer within 60ms") {
			t.Error(out.Err.Message)
		}
	}
	wantError(t, perform(t, requests(t), map[string]any{"url": s.URL + "/bomb"}, nil), "tooLarge", false)

	strict := NewRequests(outbound.New(outbound.Settings{}), nil)
	out := perform(t, strict, map[string]any{"url": s.URL}, nil)
	wantError(t, out, "blocked", true)

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel)
	out = requests(t).Perform(ctx, Call{Step: step(t, map[string]any{"request": map[string]any{"url": s.URL + "/hang"}}), Scope: scope(nil)})
	if !out.Interrupted || out.Err == nil || out.Err.Type != "canceled" {
		t.Errorf("%+v", out)
	}
}

func TestTraceParentIsSent(t *testing.T) {
	s, got := recorder(t, nil)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	resultOf(t, perform(t, requests(t), map[string]any{"url": s.URL}, nil, func(c *Call) { c.TraceParent = parent }))
	if h := (*got)[0].header.Get("Traceparent"); h != parent {
		t.Error(h)
	}
}
