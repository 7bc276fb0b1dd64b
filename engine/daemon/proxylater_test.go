package daemon_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// A call whose caller does not wait is answered at once, made by a worker with
// the credential, kept, and posted back signed, again until it is taken.
func TestProxyLater(t *testing.T) {
	d := startDev(t, t.TempDir())
	key := []byte("0123456789abcdef0123456789abcdef")
	d.secret("CRM_TOKEN", "a-token-of-the-project")
	d.integration("crm", `{baseUrl: FAR/anything/v2, auth: {bearer: {token: {secret: CRM_TOKEN}}}}`)
	posted := make(chan *http.Request, 4)
	bodies := make(chan []byte, 4)
	answers := []int{http.StatusBadGateway, http.StatusNoContent}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := http.StatusNoContent
		if len(answers) > 0 {
			status, answers = answers[0], answers[1:]
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status)
		posted <- r
		bodies <- body
	}))
	t.Cleanup(hook.Close)
	async := http.Header{"Prefer": {"respond-async"}, "Idempotency-Key": {"k1"}, "X-Own": {"kept"}}
	withCallback := async.Clone()
	withCallback.Set("Paragon-Callback", hook.URL)
	if resp, body := d.callThrough("crm", "POST", "/x", "", withCallback); resp.StatusCode != 400 || !strings.Contains(body, "PROXY_CALLBACK_SECRET") {
		t.Errorf("a callback that can't be signed: %d %s", resp.StatusCode, body)
	}
	d.secret("PROXY_CALLBACK_SECRET", "whsec_"+base64.StdEncoding.EncodeToString(key))

	resp, body := d.callThrough("crm", "POST", "/contacts?limit=10", "hello", withCallback)
	var job api.ProxyJob
	if err := json.Unmarshal([]byte(body), &job); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if resp.Header.Get("Preference-Applied") != "respond-async" || resp.Header.Get("Location") != "/v1/projects/default/proxy-jobs/"+job.ID {
		t.Errorf("answered with %v", resp.Header)
	}
	if _, again := d.callThrough("crm", "POST", "/contacts?limit=10", "hello", withCallback); !strings.Contains(again, job.ID) {
		t.Errorf("the same key made another job: %s", again)
	}
	for i := range 2 {
		var r *http.Request
		select {
		case r = <-posted:
		case <-time.After(60 * time.Second):
			t.Fatalf("callback %d does not come", i+1)
		}
		text := <-bodies
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, job.ID+"."+r.Header.Get("webhook-timestamp")+"."+string(text))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want || r.Header.Get("webhook-id") != job.ID {
			t.Errorf("the callback is signed with %v; want %s", r.Header, want)
		}
		var got api.ProxyJob
		if err := json.Unmarshal(text, &got); err != nil || got.Answer == nil || got.Answer.Status != 200 || got.ID != job.ID {
			t.Errorf("posted %s", text)
		}
	}
	done, err := d.ProxyJob(t.Context(), job.ID, time.Minute)
	if err != nil || done.Answer == nil {
		t.Fatalf("the job is %+v, %v", done, err)
	}
	if done.Status != string(schema.RunSucceeded) || done.Answer.Status != 200 || done.Error != nil || done.EndedAt == nil {
		t.Errorf("the job is %+v", done)
	}
	var far struct {
		Method, URL, Data string
		Headers           http.Header
	}
	if err := json.Unmarshal(done.Answer.Bytes(), &far); err != nil {
		t.Fatalf("%v: %s", err, done.Answer.Body)
	}
	if far.Method != "POST" || !strings.HasSuffix(far.URL, "/anything/v2/contacts?limit=10") || far.Headers.Get("X-Own") != "kept" || far.Headers.Get("Idempotency-Key") != "k1" ||
		far.Headers.Get("Prefer") != "" || far.Headers.Get("Paragon-Callback") != "" {
		t.Errorf("the far side saw %+v", far)
	}
	if strings.Contains(done.Answer.Body, "a-token-of-the-project") || strings.Contains(done.Answer.Body, d.Token) {
		t.Errorf("a secret is kept: %s", done.Answer.Body)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		page, err := d.ProxyCalls(t.Context(), api.ProxyCallsQuery{Integration: "crm"})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) == 1 && page.Items[0].Job == job.ID {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the calls are %+v", page.Items)
		}
	}
	// What can be told at once is, and nobody starts the workflow by its name.
	for path, want := range map[string]int{"/../x": 400, "/x": 404} {
		integration := map[string]string{"/../x": "crm", "/x": "nowhere"}[path]
		if resp, body := d.callThrough(integration, "GET", path, "", async); resp.StatusCode != want {
			t.Errorf("%s%s: %d %s", integration, path, resp.StatusCode, body)
		}
	}
	if resp, body := d.callThrough("crm", "POST", "/x", strings.Repeat("x", 256<<10+1), async); resp.StatusCode != 413 {
		t.Errorf("a large body: %d %s", resp.StatusCode, body)
	}
	if _, err := d.Trigger(t.Context(), "paragon.call", api.TriggerRequest{}, 0); err == nil {
		t.Error("the workflow of calls was started by its name")
	}
}
