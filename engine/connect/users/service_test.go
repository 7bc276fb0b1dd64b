package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

func TestUsersReachEveryProcess(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	var told []string
	s := r.service(func(o *Options) {
		o.Changed = func(_ context.Context, ch store.UserChange) error {
			told = append(told, ch.Project+"/"+ch.User)
			return nil
		}
	})
	worker := r.book()
	if _, err := worker.User(ctx, project, "u_1"); !errors.Is(err, ErrNoUser) {
		t.Fatalf("before: %v", err)
	}
	u, created, err := s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Meta: json.RawMessage(`{ "plan": "pro" }`)})
	if err != nil || !created || string(u.Meta) != `{"plan":"pro"}` {
		t.Fatalf("%+v %v %v", u, created, err)
	}
	// At once where it was written, and soon elsewhere.
	if got, err := s.book.User(ctx, project, "u_1"); err != nil || string(got.Meta) != `{"plan":"pro"}` {
		t.Errorf("%+v %v", got, err)
	}
	r.soon("the user is there", func() bool {
		got, err := worker.User(ctx, project, "u_1")
		return err == nil && string(got.Meta) == `{"plan":"pro"}`
	})
	yes := true
	if u, created, err = s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &yes}); err != nil || created || string(u.Meta) != `{"plan":"pro"}` || !u.Disabled {
		t.Fatalf("%+v %v %v", u, created, err)
	}
	r.soon("the user is disabled", func() bool {
		_, err := worker.Active(ctx, project, "u_1")
		return errors.Is(err, ErrDisabled)
	})
	if _, _, err := s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUser(ctx, ada, project, "u_1"); err != nil {
		t.Fatal(err)
	}
	r.soon("the user is gone", func() bool {
		_, err := worker.User(ctx, project, "u_1")
		return errors.Is(err, ErrNoUser)
	})
	if got := strings.Join(told, " "); got != "default/u_1 default/u_1 default/u_1" { // an unchanged one is no change
		t.Errorf("told of %s", got)
	}
	records, err := r.db.Audit(ctx, store.AuditQuery{Project: project, Object: "user/u_1", Oldest: true})
	if err != nil || len(records) != 3 || records[0].Actor != "ada" || records[0].From != "192.0.2.7" || records[2].Action != "delete" ||
		!strings.Contains(string(records[1].Detail), `"before":{"disabled":false,"meta":{"plan":"pro"}}`) {
		t.Errorf("%v %+v", err, records)
	}
	if rest, err := r.db.UserChanges(ctx, 0); err != nil || len(rest) != 0 {
		t.Errorf("%d changes are not settled: %v", len(rest), err)
	}
}

func TestUserRequestsAreChecked(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	s := r.service()
	problem := func(err error, status int, text string) {
		t.Helper()
		var p *schema.Problem
		if !errors.As(err, &p) || p.Status != status || !strings.Contains(p.Detail, text) {
			t.Errorf("got %v; want %d with %q", err, status, text)
		}
	}
	for _, id := range []string{"", ".", "..", "a b", "a/b", "a?b", "ü", "a\nb", strings.Repeat("x", MaxID+1)} {
		_, _, err := s.PutUser(ctx, ada, project, id, api.PutUserRequest{})
		problem(err, 422, "not the id of a user")
	}
	for _, id := range []string{"u_1", "auth0|5f7c8ec7c33c6c004bbafe82", "ada@example.org", "{x}", strings.Repeat("x", MaxID)} {
		_, _, err := s.PutUser(ctx, ada, project, id, api.PutUserRequest{})
		r.must(err)
		if u, err := s.book.User(ctx, project, id); err != nil || u.ID != id {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, meta := range []string{`[]`, `1`, `{"a":`, `{"a":"` + strings.Repeat("x", maxMeta) + `"}`} {
		_, _, err := s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Meta: json.RawMessage(meta)})
		problem(err, 422, "meta")
	}
	_, _, err := s.PutUser(ctx, ada, "nowhere", "u_1", api.PutUserRequest{})
	problem(err, 404, "project nowhere")
	_, err = s.User(ctx, project, "nobody")
	problem(err, 404, "no user nobody")
	problem(s.DeleteUser(ctx, ada, project, "nobody"), 404, "no user nobody")
	problem(s.DeleteUserKey(ctx, ada, project, "none"), 404, "no key none")

	var ids []string
	for cursor := ""; ; {
		page, err := s.Users(ctx, project, cursor, 2)
		r.must(err)
		for _, u := range page.Items {
			ids = append(ids, u.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(ids) != 5 || ids[0] != "ada@example.org" {
		t.Errorf("the pages have %v", ids)
	}
}

// A Redis that comes back empty is filled again, and meanwhile nobody is told
// that users do not exist.
func TestRedisComesBackEmpty(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	s := r.service()
	for i := range 40 {
		r.user(s, fmt.Sprint("u_", i))
	}
	r.must(r.rdb.FlushAll(ctx).Err())
	worker := r.book()
	if _, err := worker.User(ctx, project, "u_1"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("while Redis is empty: %v", err)
	}
	r.must(s.Reconcile(ctx))
	for i := range 40 {
		if _, err := worker.User(ctx, project, fmt.Sprint("u_", i)); err != nil {
			t.Errorf("user %d: %v", i, err)
		}
	}
	// One node of a cluster lost its slots.
	lost := shardOf(project, "u_1")
	keys, err := r.rdb.Keys(ctx, shardPrefix(lost)+"*").Result()
	r.must(err)
	r.must(r.rdb.Del(ctx, keys...).Err())
	if _, err := r.book().User(ctx, project, "u_1"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("while a slot is empty: %v", err)
	}
	r.must(s.Reconcile(ctx))
	if _, err := r.book().User(ctx, project, "u_1"); err != nil {
		t.Error(err)
	}
}

// A process that dies between the store and Redis loses nothing: another one
// publishes what it wrote, and tells of it.
func TestAnotherProcessPublishes(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	s := r.service()
	_, err := r.db.Update(ctx, project, func(tx store.ConfigTx) error {
		return tx.PutUser(ctx, store.User{ID: "u_1", CreatedAt: r.now, UpdatedAt: r.now})
	})
	r.must(err)
	told, fail := 0, errors.New("not now")
	other := NewService(Options{Store: r.db, Book: r.book(), Changed: func(context.Context, store.UserChange) error {
		told++
		err := fail
		fail = nil
		return err
	}})
	if err := other.Reconcile(ctx); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Fatalf("the one who is told failed: %v", err)
	}
	r.must(other.Reconcile(ctx))
	if _, err := s.book.User(ctx, project, "u_1"); err != nil || told != 2 {
		t.Errorf("told %d times, %v", told, err)
	}
	r.must(other.Reconcile(ctx))
	if told != 2 {
		t.Errorf("told again: %d", told)
	}
}

// A store that went back to a backup wins over what Redis has of the time after.
func TestTheStoreWentBack(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	s := r.service()
	r.user(s, "u_1")
	_, err := putHash(ctx, r.rdb, userKey(project, "u_1"), hash{1 << 40, 0, `{"disabled":true}`}, -1)
	r.must(err)
	if _, err := r.book().Active(ctx, project, "u_1"); !errors.Is(err, ErrDisabled) {
		t.Fatal(err)
	}
	_, _, err = s.PutUser(ctx, ada, project, "u_1", api.PutUserRequest{Meta: json.RawMessage(`{"a":1}`)})
	r.must(err)
	if u, err := r.book().Active(ctx, project, "u_1"); err != nil || string(u.Meta) != `{"a":1}` {
		t.Errorf("%+v %v", u, err)
	}
}

// What an older reading of the store says never wins.
func TestOlderStatesLose(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	key := userKey(project, "u_1")
	for _, step := range []struct {
		h     hash
		there int64
	}{
		{hash{5, 0, "five"}, -1}, {hash{4, 9, "four"}, 5}, {hash{5, 0, "again"}, 5}, {hash{5, 1, "renewed"}, -1}, {hash{5, 0, "old"}, 5},
		{hash{6, 0, ""}, -1}, {hash{5, 7, "back"}, 6}, {hash{7, 0, "seven"}, -1},
	} {
		if there, err := putHash(ctx, r.rdb, key, step.h, -1); err != nil || there != step.there {
			t.Errorf("%+v: %d %v", step.h, there, err)
		}
	}
	if ttl := r.rdb.TTL(ctx, key).Val(); ttl > 0 {
		t.Errorf("what came back after a deletion ends in %s", ttl)
	}
}
