package httpapi

import (
	"fmt"
	"testing"
	"time"

	"paragon/schema/api"
)

func TestRefusedTokensAreAudited(t *testing.T) {
	r := newRig(t)
	count := func() int {
		t.Helper()
		var page api.List[api.AuditRecord]
		want(t, r.do("owner", "GET", base+"/audit?action=authenticate&outcome=refused", ""), 200, &page)
		return len(page.Items)
	}
	r.tokens["stranger"], r.tokens["gone"] = "pgn_made_up", "pgs_made_up"
	wantProblem(t, r.do("", "GET", base+"/runs", ""), 401, "")
	if n := count(); n != 0 {
		t.Errorf("a request without a token is audited: %d", n)
	}
	for range 5 {
		wantProblem(t, r.do("stranger", "GET", base+"/runs", ""), 401, "not known")
		wantProblem(t, r.do("gone", "GET", base+"/runs", ""), 401, "ended")
	}
	if n := count(); n != 1 {
		t.Errorf("one address is in the audit log %d times in a minute", n)
	}
	r.now = r.now.Add(time.Minute)
	wantProblem(t, r.do("gone", "GET", base+"/runs", ""), 401, "ended")
	if n := count(); n != 2 {
		t.Errorf("%d records after another minute", n)
	}
}

func TestStrangersAreBounded(t *testing.T) {
	var s strangers
	now, firsts := time.Unix(0, 0), 0
	for i := range 10 * mostStrangers {
		if s.first(fmt.Sprint(i), now) {
			firsts++
		}
	}
	if firsts != mostStrangers || len(s.seen) != mostStrangers {
		t.Errorf("%d records and %d addresses in memory", firsts, len(s.seen))
	}
}

func TestRefusedDeletionOfAKeyIsAudited(t *testing.T) {
	r := newRig(t)
	var keys api.List[api.Key]
	want(t, r.do("admin", "GET", base+"/keys", ""), 200, &keys)
	for _, k := range keys.Items {
		if k.Role == "owner" {
			wantProblem(t, r.do("admin", "DELETE", base+"/keys/"+k.ID, ""), 403, "can't delete")
			var page api.List[api.AuditRecord]
			want(t, r.do("owner", "GET", base+"/audit?outcome=refused&object=key/"+k.ID, ""), 200, &page)
			if len(page.Items) != 1 || page.Items[0].Actor != "admin" {
				t.Errorf("%+v", page.Items)
			}
			return
		}
	}
	t.Error("there is no owner key")
}
