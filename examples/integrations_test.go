package examples_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// catalogue are the integrations of the catalogue, by name.
func catalogue(t *testing.T) (map[string]*workflows.Integration, []api.File) {
	t.Helper()
	paths, err := filepath.Glob("integrations/*.yaml")
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d integrations, %v", len(paths), err)
	}
	found := map[string]*workflows.Integration{}
	var files []api.File
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, api.File{Name: path, Content: string(text)})
		docs, diags := workflows.Parse(workflows.Source{File: path, Data: text})
		if len(diags) > 0 || len(docs) != 1 || docs[0].Integration == nil {
			t.Errorf("%s: %v", path, diags)
			continue
		}
		if name := docs[0].Integration.Name; path != filepath.Join("integrations", name+".yaml") {
			t.Errorf("%s holds %s", path, name)
		}
		found[docs[0].Integration.Name] = docs[0].Integration
	}
	return found, files
}

// sample are the settings of an account, for the integrations that need them.
var sample = map[string]map[string]any{
	"salesforce": {"domain": "acme--dev.sandbox"}, "shopify": {"shop": "acme-shop"}, "zendesk": {"subdomain": "acme"},
	"jira": {"cloudId": "1324a887-45db-1bf4-1e99-ef0ff456d421"},
}

// Each integration of the catalogue is whole: addresses that an account's settings
// make, secrets that say whose they are, and a page that tells where it is from.
func TestCatalogue(t *testing.T) {
	found, _ := catalogue(t)
	page, err := os.ReadFile("../docs/integrations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range found {
		if !strings.Contains(string(page), fmt.Sprintf("[%s](../examples/integrations/%s.yaml)", name, name)) {
			t.Errorf("docs/integrations.md has no row of %s", name)
		}
		settings, wrong := i.Settings(sample[name])
		if len(wrong) > 0 {
			t.Errorf("%s: %v", name, wrong)
		}
		base, err := i.BaseURL(settings)
		if err != nil || base.Scheme != "https" {
			t.Errorf("%s: %v, %v", name, base, err)
		}
		for what, address := range map[string]func(map[string]any) (string, error){
			"authorizationUrl": func(s map[string]any) (string, error) { u, err := i.AuthorizationURL(s); return text(u), err },
			"tokenUrl":         func(s map[string]any) (string, error) { u, err := i.TokenURL(s); return text(u), err },
		} {
			got, err := address(settings)
			if err != nil || i.Auth() == workflows.AuthAuthorizationCode && !strings.HasPrefix(got, "https://") {
				t.Errorf("%s: %s is %q, %v", name, what, got, err)
			}
		}
		if i.Spec.Description == "" || i.Auth() == workflows.AuthNone || i.Retry == nil {
			t.Errorf("%s lacks something", name)
		}
	}
}

func text(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// The next page of each list, where the API says it in the body: of a page in the
// middle, and of the last one, in the form of the API's documentation.
func TestCataloguePages(t *testing.T) {
	found, _ := catalogue(t)
	for name, tt := range map[string]struct{ middle, want, last string }{
		"slack":           {`{"ok":true,"response_metadata":{"next_cursor":"dXNlcg=="}}`, `{"cursor":"dXNlcg=="}`, `{"ok":true,"response_metadata":{"next_cursor":""}}`},
		"stripe":          {`{"data":[{"id":"a"},{"id":"b"}],"has_more":true}`, `{"starting_after":"b"}`, `{"data":[{"id":"c"}],"has_more":false}`},
		"hubspot":         {`{"results":[],"paging":{"next":{"after":"7"}}}`, `{"after":"7"}`, `{"results":[]}`},
		"salesforce":      {`{"done":false,"nextRecordsUrl":"/services/data/v60.0/query/01g-2000"}`, `"/services/data/v60.0/query/01g-2000"`, `{"done":true}`},
		"gmail":           {`{"messages":[],"nextPageToken":"n"}`, `{"pageToken":"n"}`, `{"messages":[]}`},
		"google-calendar": {`{"items":[],"nextPageToken":"n"}`, `{"pageToken":"n"}`, `{"items":[]}`},
		"microsoft-graph": {`{"value":[],"@odata.nextLink":"https://graph.microsoft.com/v1.0/me/messages?$skip=10"}`, `"https://graph.microsoft.com/v1.0/me/messages?$skip=10"`, `{"value":[]}`},
		"notion":          {`{"results":[],"next_cursor":"c","has_more":true}`, `{"start_cursor":"c"}`, `{"results":[],"next_cursor":null,"has_more":false}`},
		"airtable":        {`{"records":[],"offset":"itr/rec"}`, `{"offset":"itr/rec"}`, `{"records":[]}`},
		"zendesk":         {`{"meta":{"has_more":true},"links":{"next":"https://acme.zendesk.com/api/v2/tickets?page%5Bafter%5D=x"}}`, `"https://acme.zendesk.com/api/v2/tickets?page%5Bafter%5D=x"`, `{"meta":{"has_more":false},"links":{"next":null}}`},
		"jira":            {`{"startAt":0,"maxResults":50,"isLast":false,"values":[]}`, `{"startAt":50}`, `{"startAt":50,"maxResults":50,"isLast":true,"values":[]}`},
		"twilio":          {`{"messages":[],"next_page_uri":"/2010-04-01/Accounts/AC/Messages.json?Page=1"}`, `"/2010-04-01/Accounts/AC/Messages.json?Page=1"`, `{"messages":[],"next_page_uri":null}`},
	} {
		i := found[name]
		if i == nil || i.Pages == nil {
			t.Errorf("%s has no pages", name)
			continue
		}
		next := func(body string) any {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Fatal(err)
			}
			x, err := i.Pages.NextPage.Eval(&workflows.Scope{Vars: map[string]any{"page": 1, "response": map[string]any{"status": 200, "headers": map[string]any{}, "body": v}}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return x
		}
		got, err := json.Marshal(next(tt.middle))
		if err != nil || strings.ReplaceAll(string(got), `\u0026`, "&") != tt.want {
			t.Errorf("%s: the next page is %s", name, got)
		}
		// None, or a parameter without a value, is the end.
		switch x := next(tt.last).(type) {
		case nil:
		case map[string]any:
			for _, v := range x {
				if v != nil && v != "" {
					t.Errorf("%s goes on behind its last page: %v", name, x)
				}
			}
		default:
			t.Errorf("%s goes on behind its last page: %v", name, x)
		}
	}
	for name, i := range found {
		if i.Pages != nil && i.Pages.NextPage == nil && name != "github" && name != "shopify" {
			t.Errorf("%s follows Link headers, and no page says so", name)
		}
	}
}

// applyCatalogue applies the whole catalogue: nothing is wrong with it but that
// the secrets of its clients are not there.
func (w *world) applyCatalogue() {
	found, files := catalogue(w.t)
	out, err := w.Apply(w.t.Context(), api.ApplyRequest{Set: "catalogue", Files: files}, api.ApplyOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(out.Items) != len(found) {
		w.t.Errorf("%d applied of %d", len(out.Items), len(found))
	}
	warned := map[string]bool{}
	for _, x := range out.Warnings {
		if x.Code != "missing-client" && x.Code != "missing-secret" {
			w.t.Errorf("%s: %s", x.Resource, x.Message)
		}
		warned[x.Resource] = true
	}
	for name, i := range found {
		if ref := (schema.Ref{Kind: schema.KindIntegration, Name: name}).String(); warned[ref] != (len(i.Secrets) > 0) {
			w.t.Errorf("%s: warned %v, secrets %v", ref, warned[ref], i.Secrets)
		}
	}
}
