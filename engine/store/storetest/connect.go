package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"paragon/engine/store"
)

func testUsers(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	user := func(id, meta string) store.User {
		return store.User{ID: id, Meta: []byte(meta), CreatedAt: epoch, UpdatedAt: epoch}
	}
	var noted []store.UserChange
	version := update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		for _, id := range []string{"u_2", "u_1", "auth0|ünï"} {
			must(t, tx.PutUser(ctx, user(id, `{"plan": "pro"}`)))
		}
		noted = tx.UserChanges()
	})
	equal(t, "users are no change of configuration", version, int64(0))
	update(t, s, "elsewhere", func(ctx context.Context, tx store.ConfigTx) { must(t, tx.PutUser(ctx, user("u_3", ""))) })

	page := got(s.Users(ctx, project, "", 2))(t)
	equal(t, "the first page", []string{page[0].ID, page[1].ID}, []string{"auth0|ünï", "u_1"})
	equal(t, "the second page", got(s.Users(ctx, project, "u_1", 2))(t)[0].ID, "u_2")
	first := got(s.User(ctx, project, "u_1"))(t)
	want := user("u_1", `{"plan": "pro"}`)
	want.Project, want.Generation = project, noted[1].ID
	equal(t, "a user", *first, want)

	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		u := *got(tx.User(ctx, "u_1"))(t)
		u.Disabled, u.Meta, u.CreatedAt, u.UpdatedAt = true, nil, epoch.Add(time.Hour), epoch.Add(time.Hour)
		must(t, tx.PutUser(ctx, u))
		wantError(t, tx.DeleteUser(ctx, "u_3"), store.ErrNotFound)
	})
	again := got(s.User(ctx, project, "u_1"))(t)
	if !again.Disabled || again.Meta != nil || !again.CreatedAt.Equal(epoch) || !again.UpdatedAt.Equal(epoch.Add(time.Hour)) || again.Generation <= first.Generation {
		t.Errorf("after the second write: %+v", again)
	}

	key := store.UserKey{Project: project, ID: "2026-a", Algorithm: "ES256", PEM: "-----BEGIN…", CreatedAt: epoch, CreatedBy: "ada"}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutUserKey(ctx, key))
		wantError(t, tx.DeleteUserKey(ctx, "none"), store.ErrNotFound)
	})
	equal(t, "the keys", got(s.UserKeys(ctx, project))(t), []store.UserKey{key})
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) { must(t, tx.DeleteUserKey(ctx, key.ID)) })
	equal(t, "no keys", len(got(s.UserKeys(ctx, project))(t)), 0)
}

func testCredentials(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	credential := func(user, integration, account string) store.Credential {
		return store.Credential{CredentialID: store.CredentialID{Project: project, User: user, Integration: integration, Account: account},
			Kind: "oauth2", Sealed: []byte{0, 1, 255}, Settings: []byte(`{"subdomain": "x"}`), Status: store.CredentialValid,
			ExpiresAt: epoch.Add(time.Hour), UpdatedAt: epoch, UpdatedBy: "ada"}
	}
	id := store.CredentialID{Project: project, User: "u_1", Integration: "crm", Account: "default"}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutUser(ctx, store.User{ID: "u_1", CreatedAt: epoch, UpdatedAt: epoch}))
		for _, c := range []store.Credential{credential("u_1", "crm", "work"), credential("u_1", "crm", "default"), credential("", "crm", "default"), credential("u_1", "chat", "default")} {
			must(t, tx.PutCredential(ctx, c))
		}
		equal(t, "in the transaction", got(tx.Credential(ctx, "u_1", "crm", "work"))(t).Kind, "oauth2")
		_, err := tx.Credential(ctx, "u_2", "crm", "work")
		wantError(t, err, store.ErrNotFound)
	})
	names := func(list []store.Credential) (out []string) {
		for _, c := range list {
			out = append(out, c.User+"/"+c.Integration+"/"+c.Account)
		}
		return out
	}
	equal(t, "of a user", names(got(s.Credentials(ctx, project, "u_1"))(t)), []string{"u_1/chat/default", "u_1/crm/default", "u_1/crm/work"})
	equal(t, "shared", names(got(s.Credentials(ctx, project, ""))(t)), []string{"/crm/default"})
	equal(t, "all, by pages", names(got(s.AllCredentials(ctx, store.CredentialID{Project: project}, 2))(t)), []string{"/crm/default", "u_1/chat/default"})
	equal(t, "the next page", names(got(s.AllCredentials(ctx, store.CredentialID{Project: project, User: "u_1", Integration: "chat", Account: "default"}, 0))(t)),
		[]string{"u_1/crm/default", "u_1/crm/work"})
	c := *got(s.Credential(ctx, id))(t)
	want := credential("u_1", "crm", "default")
	want.Generation = c.Generation
	equal(t, "one", c, want)

	renew := func(c store.Credential) (applied bool) {
		update(t, s, project, func(ctx context.Context, tx store.ConfigTx) { applied = got(tx.RenewCredential(ctx, c))(t) })
		return applied
	}
	next := c
	next.Version, next.Sealed, next.Status, next.Reason, next.ExpiresAt, next.UpdatedBy = 2, []byte("two"), store.CredentialInvalid, "revoked", time.Time{}, "paragond"
	for i, want := range []bool{true, false} { // the second time it is there already
		if renew(next) != want {
			t.Errorf("renewal %d: %v", i, !want)
		}
	}
	equal(t, "renewed", *got(s.Credential(ctx, id))(t), next)
	equal(t, "invalid", names(got(s.InvalidCredentials(ctx, project, 0))(t)), []string{"u_1/crm/default"})
	equal(t, "invalid ones of another project", names(got(s.InvalidCredentials(ctx, "elsewhere", 0))(t)), []string(nil))
	older := next
	older.Version = 1
	if renew(older) {
		t.Error("an older version won")
	}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutCredential(ctx, credential("u_1", "crm", "default")))
	})
	next.Version = 9
	if renew(next) {
		t.Error("a renewal of what was replaced meanwhile was written")
	}
	if now := got(s.Credential(ctx, id))(t); now.Version != 0 || now.Generation <= c.Generation || now.Status != store.CredentialValid {
		t.Errorf("replaced: %+v", now)
	}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.DeleteCredential(ctx, "u_1", "crm", "default"))
		wantError(t, tx.DeleteCredential(ctx, "u_1", "crm", "default"), store.ErrNotFound)
	})
	if renew(next) {
		t.Error("a renewal brought back what was deleted")
	}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) { must(t, tx.DeleteUser(ctx, "u_1")) })
	equal(t, "of a user who is gone", len(got(s.Credentials(ctx, project, "u_1"))(t)), 0)
	equal(t, "the shared one stays", len(got(s.Credentials(ctx, project, ""))(t)), 1)
}

func testUserChanges(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	_, err := s.Update(ctx, project, func(tx store.ConfigTx) error {
		must(t, tx.PutUser(ctx, store.User{ID: "u_0", CreatedAt: epoch, UpdatedAt: epoch}))
		return errors.New("taken back")
	})
	if err == nil {
		t.Fatal("no error")
	}
	equal(t, "what was taken back is no change", len(got(s.UserChanges(ctx, 0))(t)), 0)
	var own []store.UserChange
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutUser(ctx, store.User{ID: "u_1", CreatedAt: epoch, UpdatedAt: epoch}))
		must(t, tx.PutUserKey(ctx, store.UserKey{ID: "k", Algorithm: "EdDSA", CreatedAt: epoch}))
		for _, account := range []string{"a", "b"} {
			must(t, tx.PutCredential(ctx, store.Credential{CredentialID: store.CredentialID{User: "u_1", Integration: "crm", Account: account}, Kind: "basic", Status: store.CredentialValid, UpdatedAt: epoch}))
		}
		must(t, tx.DeleteUser(ctx, "u_1"))
		own = tx.UserChanges()
	})
	var text []string
	for i, ch := range own {
		text = append(text, fmt.Sprintf("%s %s/%s/%s/%s", ch.Kind, ch.Project, ch.User, ch.Integration, ch.Account))
		if i > 0 && ch.ID <= own[i-1].ID {
			t.Errorf("change %d has the number %d after %d", i, ch.ID, own[i-1].ID)
		}
	}
	equal(t, "the changes", text, []string{"user default/u_1//", "keys default///", "credential default/u_1/crm/a", "credential default/u_1/crm/b",
		"credential default/u_1/crm/a", "credential default/u_1/crm/b", "user default/u_1//"})
	equal(t, "what others read", got(s.UserChanges(ctx, 0))(t), own)
	equal(t, "at most", got(s.UserChanges(ctx, 2))(t), own[:2])
	must(t, s.SettleUserChanges(ctx, []int64{own[0].ID, own[1].ID, own[2].ID, 1 << 60}))
	equal(t, "after some are settled", got(s.UserChanges(ctx, 0))(t), own[3:])
	must(t, s.SettleUserChanges(ctx, nil))
	last := own[len(own)-1].ID
	for _, ch := range own[3:] {
		must(t, s.SettleUserChanges(ctx, []int64{ch.ID}))
	}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutUser(ctx, store.User{ID: "u_2", CreatedAt: epoch, UpdatedAt: epoch}))
		if id := tx.UserChanges()[0].ID; id <= last {
			t.Errorf("the number %d was there before %d", id, last)
		}
	})
}
