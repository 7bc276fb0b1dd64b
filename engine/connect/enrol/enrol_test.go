package enrol

import (
	"errors"
	"testing"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

const proOnly = `  users:
    allow: "${{ user.meta.plan in ['pro', 'enterprise'] }}"
    settings: {type: object, required: [channel], properties: {channel: {type: string}}}
`

func status(err error) int {
	var p *schema.Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

func TestWhoHasAWorkflow(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	wf := r.apply("digest", proOnly)
	r.user("u_1", `{"plan": "pro"}`)
	r.user("u_2", `{"plan": "free"}`)
	r.expect("nobody has chosen", r.have(wf), "")
	if _, err := r.dir.For(ctx, wf, "u_1"); status(err) != 409 {
		t.Errorf("who has not enabled it: %v", err)
	}

	if err := r.choose("u_1", "digest", true, ``); status(err) != 422 {
		t.Errorf("without the settings that it needs: %v", err)
	}
	r.must(r.choose("u_1", "digest", true, `{"channel": "general"}`))
	r.expect("enabled", r.have(wf), "u_1")
	who, err := r.dir.For(ctx, wf, "u_1")
	if err != nil || string(who.Settings) != `{"channel":"general"}` || string(who.Meta) != `{"plan":"pro"}` {
		t.Errorf("what a run sees: %+v %v", who, err)
	}
	if err := r.choose("u_2", "digest", true, `{"channel": "general"}`); status(err) != 403 {
		t.Errorf("who may not have it: %v", err)
	}
	if err := r.choose("u_1", "digest", true, `{"channel": 7}`); status(err) != 422 {
		t.Errorf("settings that do not fit: %v", err)
	}
	if err := r.choose("u_9", "digest", true, ``); status(err) != 404 {
		t.Errorf("nobody: %v", err)
	}
	if err := r.choose("u_1", "none", true, ``); status(err) != 404 {
		t.Errorf("no such workflow: %v", err)
	}

	// allow is evaluated again when meta changes, both ways.
	r.user("u_1", `{"plan": "free"}`)
	r.expect("who may not have it any more", r.have(wf), "")
	shown, err := r.enrol.Get(ctx, project, "u_1", "digest")
	if err != nil || !shown.Enabled || shown.Active || shown.Reason != api.ReasonNotAllowed || string(shown.Settings) != `{"channel":"general"}` {
		t.Errorf("%+v %v", shown, err)
	}
	r.user("u_1", `{"plan": "enterprise"}`)
	r.expect("who may again", r.have(wf), "u_1")
	r.expect("nothing was ended so far", r.ended(), "")

	// Disabled for the user: what runs of it ends.
	r.must(r.choose("u_1", "digest", false, ``))
	r.expect("disabled", r.have(wf), "")
	r.expect("its runs end", r.ended(), "u_1/digest")
	r.must(r.choose("u_1", "digest", true, ``))
	r.expect("enabled again, with the settings of before", r.have(wf), "u_1")

	// The user is disabled, and deleted: all that runs for it ends.
	yes, no := true, false
	_, _, err = r.users.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &yes})
	r.must(err)
	r.expect("a disabled user", r.have(wf), "")
	r.expect("all ends", r.ended(), "u_1/")
	if stopped, err := r.dir.Stopped(ctx, project, "u_1"); err != nil || !stopped {
		t.Errorf("stopped: %v %v", stopped, err)
	}
	_, _, err = r.users.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &no})
	r.must(err)
	r.expect("enabled again", r.have(wf), "u_1")
	r.must(r.users.DeleteUser(ctx, ada, project, "u_1"))
	r.expect("a deleted user", r.have(wf), "")
	r.expect("all ends", r.ended(), "u_1/")
	r.user("u_1", `{"plan": "pro"}`)
	r.expect("another user of the same id has not chosen", r.have(wf), "")
}

func TestRulesOfANewRevision(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	wf := r.apply("digest", "  users: {default: enabled}\n")
	r.user("u_1", `{"plan": "pro"}`)
	r.user("u_2", `{"plan": "free"}`)
	r.user("u_3", `{"plan": "pro"}`)
	r.must(r.choose("u_3", "digest", false, ``))
	r.expect("all who did not say no", r.have(wf), "u_1 u_2")

	wf = r.apply("digest", "  users: {default: enabled, allow: user.meta.plan == 'pro'}\n")
	r.expect("those who may", r.have(wf), "u_1")
	if _, err := r.dir.For(ctx, wf, "u_2"); status(err) != 409 {
		t.Errorf("who may not: %v", err)
	}
	wf = r.apply("digest", "  users: {default: disabled}\n")
	r.expect("those who said yes", r.have(wf), "")
	r.must(r.choose("u_2", "digest", true, `{"channel": 7}`))
	wf = r.apply("digest", proOnly)
	r.expect("settings that do not fit any more", r.have(wf), "")
	shown, err := r.enrol.Get(ctx, project, "u_2", "digest")
	if err != nil || shown.Reason != api.ReasonNotAllowed {
		t.Errorf("%+v %v", shown, err)
	}
	r.user("u_2", `{"plan": "pro"}`)
	if shown, err = r.enrol.Get(ctx, project, "u_2", "digest"); err != nil || shown.Reason != api.ReasonSettings {
		t.Errorf("%+v %v", shown, err)
	}
	list, err := r.enrol.List(ctx, project, "u_2")
	if err != nil || len(list) != 1 || list[0].Workflow != "digest" {
		t.Errorf("%+v %v", list, err)
	}
	r.must(r.enrol.Delete(ctx, ada, project, "u_2", "digest"))
	if shown, err = r.enrol.Get(ctx, project, "u_2", "digest"); err != nil || !shown.Default || shown.Settings != nil {
		t.Errorf("forgotten: %+v %v", shown, err)
	}
}

// Until all were judged by a revision, nobody is told that a user does not have
// it, and nothing is fired.
func TestRedisLosesItsMemory(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	wf := r.apply("digest", "  users: {default: enabled}\n")
	r.user("u_1", `{}`)
	r.expect("before", r.have(wf), "u_1")
	r.must(r.rdb.FlushAll(ctx).Err())
	if _, err := r.dir.For(ctx, wf, "u_1"); status(err) != 503 {
		t.Errorf("while it is not known: %v", err)
	}
	if _, err := r.dir.Page(ctx, wf, 0, Slots, 10); status(err) != 503 {
		t.Errorf("while it is not known: %v", err)
	}
	r.must(r.enrol.Fill(ctx))
	r.expect("after", r.have(wf), "u_1")
}

// What another process read from the store before a change does not undo it.
func TestAnOlderStateLoses(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	wf := r.apply("digest", "  users: {}\n")
	r.user("u_1", `{}`)
	r.must(r.choose("u_1", "digest", true, ``))
	old := state{project: project, workflow: "digest", revision: wf.Revision, change: 1, user: "u_1"}
	if codes, err := putAll(ctx, r.rdb, []state{old}); err != nil || codes[0] != wroteNothing {
		t.Errorf("an older change was written: %v %v", codes, err)
	}
	r.expect("still", r.have(wf), "u_1")
	old.change, old.revision = 1<<40, wf.Revision-1
	if codes, err := putAll(ctx, r.rdb, []state{old}); err != nil || codes[0] != wroteNothing {
		t.Errorf("an older revision was written: %v %v", codes, err)
	}
	// A process that does not know the newest revision yet says so, and is asked
	// again.
	old.revision = wf.Revision + 1
	r.must(func() error { _, err := putAll(ctx, r.rdb, []state{old}); return err }())
	if err := r.enrol.Changed(ctx, store.UserChange{ID: 1 << 41, Kind: store.ChangedUser, CredentialID: store.CredentialID{Project: project, User: "u_1"}}); err == nil {
		t.Error("a change judged by an old revision counts as published")
	}
}

func TestWorkflowsThatAreGone(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	r.apply("digest", "  users: {default: enabled}\n")
	r.user("u_1", `{}`)
	wf := r.apply("other", "  users: {default: enabled}\n")
	r.apply("digest", "") // without users
	r.apply("third", "")  // a later version of the configuration
	r.expect("the other one stays", r.have(wf), "u_1")
	if n, err := r.rdb.Exists(ctx, keyOf(project, "digest")+":on", keyOf(project, "digest")+":seen", keyOf(project, "digest")+":rule").Result(); err != nil || n != 0 {
		t.Errorf("%d keys of a workflow without users are left, %v", n, err)
	}
	r.must(r.users.DeleteUser(ctx, ada, project, "u_1"))
	r.user("u_2", `{}`)
	wf = r.apply("digest", "  users: {default: enabled}\n")
	r.expect("again, for those who are there now", r.have(wf), "u_2")
}

// The defaults of the settings hold for who has not set them: in runs, and not in
// what is kept of the user.
func TestDefaultsOfSettings(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	wf := r.apply("digest", `  users:
    settings: {type: object, required: [channel, least], properties: {channel: {type: string}, least: {type: integer, default: 10}}}
`)
	r.user("u_1", `{}`)
	for given, seen := range map[string]string{`{"channel":"a"}`: `{"channel":"a","least":10}`, `{"channel":"b","least":5}`: `{"channel":"b","least":5}`} {
		r.must(r.choose("u_1", "digest", true, given))
		who, err := r.dir.For(ctx, wf, "u_1")
		if err != nil || string(who.Settings) != seen {
			t.Errorf("%s: a run sees %+v %v", given, who, err)
		}
		if shown, err := r.enrol.Get(ctx, project, "u_1", "digest"); err != nil || string(shown.Settings) != given {
			t.Errorf("%s: shown as %+v %v", given, shown, err)
		}
	}
	if err := r.choose("u_1", "digest", true, `{"least":5}`); status(err) != 422 {
		t.Errorf("without what has no default: %v", err)
	}
}
