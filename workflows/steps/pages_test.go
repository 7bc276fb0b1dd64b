package steps

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pager serves pages of two items, 1 to last, each time in another way of
// naming the next.
func pager(last int, break_ func(w http.ResponseWriter, page int) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if c := r.URL.Query().Get("cursor"); c != "" {
			page, _ = strconv.Atoi(strings.TrimPrefix(c, "c"))
		}
		page = max(page, 1)
		if break_ != nil && break_(w, page) {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		cursor, next := "null", "null"
		if page < last {
			cursor = fmt.Sprintf(`"c%d"`, page+1)
			next = fmt.Sprintf(`"?page=%d"`, page+1)
			w.Header().Add("Link", fmt.Sprintf(`</x>; rel="first", <%s?page=%d>; rel="next last"`, r.URL.Path, page+1))
		}
		fmt.Fprintf(w, `{"items":[%d,%d],"cursor":%s,"next":%s}`, page*10, page*10+1, cursor, next)
	}
}

func paginated(url string, pagination map[string]any) map[string]any {
	if pagination["items"] == nil {
		pagination["items"] = "response.body.items"
	}
	return map[string]any{"url": url, "query": map[string]any{"q": "x"}, "pagination": pagination}
}

func TestPages(t *testing.T) {
	for name, tc := range map[string]struct {
		pagination map[string]any
		want       string
	}{
		"link":         {map[string]any{"nextPage": "link"}, "[10 11 20 21 30 31] 3 <nil>"},
		"cursor":       {map[string]any{"nextPage": map[string]any{"cursor": "${{ response.body.cursor }}"}}, "[10 11 20 21 30 31] 3 <nil>"},
		"relative url": {map[string]any{"nextPage": "${{ response.body.next }}"}, "[10 11 20 21 30 31] 3 <nil>"},
		"number":       {map[string]any{"nextPage": "${{ page < 2 ? {'page': page + 1} : nil }}"}, "[10 11 20 21] 2 <nil>"},
		"until":        {map[string]any{"nextPage": "link", "until": "response.body.items[0] >= 20"}, "[10 11 20 21] 2 <nil>"},
		"max":          {map[string]any{"nextPage": "link", "maxPages": 2}, "[10 11 20 21] 2 true"},
		"computed":     {map[string]any{"nextPage": "link", "items": "map(response.body.items, # + page)"}, "[11 12 22 23 33 34] 3 <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := recorder(t, pager(3, nil))
			r := resultOf(t, perform(t, requests(t), paginated(s.URL, tc.pagination), nil))
			body := r["body"].(map[string]any)
			if have := fmt.Sprint(body["items"], " ", body["pages"], " ", body["more"]); have != tc.want {
				t.Errorf("%s, want %s", have, tc.want)
			}
			if r["status"] != 200.0 || r["error"] != nil {
				t.Errorf("%v", r)
			}
			keys := map[string]bool{}
			for _, q := range *got {
				keys[q.header.Get("Idempotency-Key")] = true
			}
			if len(keys) != len(*got) {
				t.Errorf("pages share an idempotency key: %v", keys)
			}
			if name == "cursor" && (*got)[1].uri != "/?cursor=c2&q=x" {
				t.Errorf("%s", (*got)[1].uri)
			}
		})
	}
}

func TestRefusedPageIsAskedForAgain(t *testing.T) {
	refused := 0
	s, got := recorder(t, pager(3, func(w http.ResponseWriter, page int) bool {
		if page == 2 && refused < 2 {
			refused++
			w.Header().Set("Retry-After", "0")
			if refused == 1 {
				w.Header().Set("Retry-After", time.Now().Add(time.Second).UTC().Format(http.TimeFormat))
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		return false
	}))
	started := time.Now()
	r := resultOf(t, perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link"}), nil))
	if len(r["body"].(map[string]any)["items"].([]any)) != 6 || len(*got) != 5 {
		t.Errorf("%v after %d requests", r, len(*got))
	}
	if time.Since(started) > 10*time.Second {
		t.Error("waited too long")
	}
}

func TestRetryAfterBeyondTheTimeoutEndsTheStep(t *testing.T) {
	s, _ := recorder(t, pager(3, func(w http.ResponseWriter, page int) bool {
		if page == 2 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return page == 2
	}))
	out := perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link"}), nil)
	wantError(t, out, "http", false)
	if out.RetryAfter != time.Hour || out.Err.Status != 429 {
		t.Errorf("%+v", out)
	}
}

func TestFirstPageIsLeftToTheStepsRetry(t *testing.T) {
	s, got := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	call := Call{Step: step(t, map[string]any{"retry": map[string]any{"maxAttempts": 3}, "request": paginated(s.URL, map[string]any{"nextPage": "link"})}), Scope: scope(nil)}
	out := requests(t).Perform(context.Background(), call)
	wantError(t, out, "http", false)
	if len(*got) != 1 || out.RetryAfter != time.Second {
		t.Errorf("%d requests, Retry-After %s", len(*got), out.RetryAfter)
	}
}

func TestPartialPages(t *testing.T) {
	broken := func(w http.ResponseWriter, page int) bool {
		if page == 3 {
			w.WriteHeader(500)
			io.WriteString(w, "oh "+password)
		}
		return page == 3
	}
	s, _ := recorder(t, pager(5, broken))
	wantError(t, perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link"}), nil), "http", false)

	r := resultOf(t, perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link", "onError": "partial"}), nil))
	failed := r["error"].(map[string]any)
	if body := r["body"].(map[string]any); body["pages"] != 2.0 || len(body["items"].([]any)) != 4 || failed["status"] != 500.0 || failed["type"] != "http" {
		t.Errorf("%v", r)
	}
	if strings.Contains(fmt.Sprint(failed), password) {
		t.Errorf("%v", failed)
	}
	// Without any page there is nothing partial.
	s, _ = recorder(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	wantError(t, perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link", "onError": "partial"}), nil), "http", false)
}

func TestPagesThatMislead(t *testing.T) {
	other, stolen := recorder(t, pager(1, nil))
	for name, tc := range map[string]struct {
		link, kind string
	}{
		"other host": {"<" + other.URL + "/?page=2>; rel=next", "pagination"},
		"loop":       {`<?q=x>; rel=next`, "pagination"},
		"file":       {"<file:///etc/passwd>; rel=next", "pagination"},
		"malformed":  {"<http://%zz/>; rel=next", "pagination"},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Link", tc.link)
				io.WriteString(w, `{"items":[1]}`)
			})
			out := perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link"}), nil)
			wantError(t, out, tc.kind, false)
			if len(*got) != 1 {
				t.Errorf("%d requests", len(*got))
			}
		})
	}
	if len(*stolen) != 0 {
		t.Error("another host was asked for a page")
	}
	for name, tc := range map[string]struct {
		body, items, next string
	}{
		"items no list": {`{"items":{"a":1}}`, "response.body.items", "link"},
		"no object":     {`7`, "response.body.items", "link"},
		"next a number": {`{"items":[]}`, "response.body.items", "${{ 7 * len(response.body.items) + 7 }}"},
	} {
		s, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, tc.body)
		})
		out := perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": tc.next, "items": tc.items}), nil)
		if out.Err == nil || out.Err.Type != "expression" {
			t.Errorf("%s: %+v", name, out.Err)
		}
	}
}

func TestNextLink(t *testing.T) {
	for header, want := range map[string]string{
		``:                               "",
		`<a>; rel=next`:                  "a",
		`<a>; rel="next"`:                "a",
		`<a>;rel="prev", <b>;rel="next"`: "b",
		`<a,b;c>; rel="x next y"`:        "a,b;c",
		`<a>; title="x, <y>; rel=next"; rel=prev, <c>; REL=Next`: "c",
		`<a>; rel="prev"; rel="next"`:                            "",
		`<a>; rel=next; anchor="#x"`:                             "",
		`<a>; title="\"rel=next\""; rel=next`:                    "a",
		`<a>`:                                                    "",
		`<a`:                                                     "",
		`<a>; rel`:                                               "",
		`<a>; rel=`:                                              "",
		`<a>; rel="next`:                                         "a",
		`<a> ; rel = "next"`:                                     "a",
		`<a>; nofollow; rel=next`:                                "a",
		`garbage, <b>; rel=next`:                                 "b",
	} {
		if got := nextLink([]string{header}); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if got := nextLink([]string{"<a>; rel=prev", "<b>; rel=next"}); got != "b" {
		t.Error(got)
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="next", <b>; title="\"`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := nextLink([]string{s}); !strings.Contains(s, got) {
			t.Errorf("%q is not in %q", got, s)
		}
	})
}

// TestPagesTogetherAreBounded reads pages of 6 MiB each: the eleventh is one too
// many.
func TestPagesTogetherAreBounded(t *testing.T) {
	pad := strings.Repeat(" ", 6<<20)
	answer := pager(100, nil)
	s, got := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, r)
		_, _ = io.WriteString(w, pad)
	})
	out := perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link"}), nil)
	if out.Err == nil || !strings.Contains(out.Err.Message, "the pages together are larger than 67108864 bytes") {
		t.Errorf("%+v", out.Err)
	}
	if n := len(*got); n != 11 {
		t.Errorf("%d pages were asked for; want 11", n)
	}
	partial := perform(t, requests(t), paginated(s.URL, map[string]any{"nextPage": "link", "onError": "partial"}), nil)
	if body, _ := resultOf(t, partial)["body"].(map[string]any); body["pages"] != 10.0 {
		t.Errorf("with onError: partial: %v pages", body["pages"])
	}
}
