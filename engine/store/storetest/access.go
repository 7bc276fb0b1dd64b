package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema/chain"
)

func testAuditFilters(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		for i := range 8 {
			must(t, tx.Audit(ctx, store.AuditRecord{At: epoch.Add(time.Duration(i) * time.Minute), Actor: []string{"ada", "bob"}[i%2],
				Action: []string{"create", "delete"}[i/4], Object: fmt.Sprint("key/", i), Outcome: []string{"done", "refused"}[i/2%2]}))
		}
	})
	for name, test := range map[string]struct {
		q    store.AuditQuery
		want []int64
	}{
		"actor":        {store.AuditQuery{Actor: "bob"}, []int64{8, 6, 4, 2}},
		"action":       {store.AuditQuery{Action: "delete", Limit: 2}, []int64{8, 7}},
		"object":       {store.AuditQuery{Object: "key/3"}, []int64{4}},
		"outcome":      {store.AuditQuery{Outcome: "refused", Actor: "ada"}, []int64{7, 3}},
		"time":         {store.AuditQuery{Since: epoch.Add(time.Minute), Until: epoch.Add(3 * time.Minute)}, []int64{3, 2}},
		"oldest first": {store.AuditQuery{Oldest: true, Limit: 3}, []int64{1, 2, 3}},
		"none":         {store.AuditQuery{Actor: "a'b"}, nil},
	} {
		test.q.Project = project
		var seqs []int64
		for _, r := range got(s.Audit(ctx, test.q))(t) {
			seqs = append(seqs, r.Seq)
		}
		equal(t, name, seqs, test.want)
	}
	first := got(s.Audit(ctx, store.AuditQuery{Project: project, Oldest: true, Limit: 2}))(t)
	next := got(s.Audit(ctx, store.AuditQuery{Project: project, Oldest: true, Past: first[1].ID, Limit: 1}))(t)
	equal(t, "the next page, oldest first", next[0].Seq, int64(3))
}

// Writers of several projects at once leave in each a chain without a gap.
func testAuditChain(t *testing.T, open opener) {
	s := migrated(t, open)
	const writers, each = 6, 8
	projects := []string{"north", "south"}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if _, err := s.Update(t.Context(), projects[w%2], func(tx store.ConfigTx) error {
					return tx.Audit(t.Context(), store.AuditRecord{At: epoch.Add(time.Duration(n) * 1001), Actor: "w\xff", Outcome: "done", Detail: []byte(`{"x": "\u0000é"}`)})
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, name := range projects {
		var v chain.Verifier
		for _, r := range got(s.Audit(t.Context(), store.AuditQuery{Project: name, Oldest: true}))(t) {
			must(t, v.Add(chain.Record{Seq: r.Seq, Project: r.Project, At: r.At, Actor: r.Actor, Action: r.Action, Object: r.Object,
				Outcome: r.Outcome, From: r.From, Detail: r.Detail}, r.Hash))
		}
		if v.Len() != writers/2*each {
			t.Errorf("project %s has a chain of %d records; want %d", name, v.Len(), writers/2*each)
		}
	}
}

func testPeople(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	ada := store.Person{ID: "p1", Email: "ada@example.org", Name: "Ada", Password: "$argon2id$…", CreatedAt: epoch}
	bob := store.Person{ID: "p2", Email: "bob@example.org", Name: "Bob", CreatedAt: epoch}
	member := func(p store.Person, project, role string) store.Member {
		return store.Member{Person: p, Project: project, Role: role, AddedAt: epoch, AddedBy: "paragond"}
	}
	version := update(t, s, "north", func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutPerson(ctx, bob))
		must(t, tx.PutPerson(ctx, ada))
		must(t, tx.PutMember(ctx, member(bob, "", "viewer")))
		must(t, tx.PutMember(ctx, member(ada, "", "owner")))
		must(t, tx.PutMember(ctx, member(bob, "", "developer")))
		equal(t, "members", got(tx.Members(ctx))(t), []store.Member{member(ada, "north", "owner"), member(bob, "north", "developer")})
	})
	equal(t, "members, read alone", got(s.MembersOf(ctx, "north"))(t), []store.Member{member(ada, "north", "owner"), member(bob, "north", "developer")})
	equal(t, "members of nothing", len(got(s.MembersOf(ctx, "nowhere"))(t)), 0)
	if version != 0 {
		t.Errorf("people count as a change of configuration: version %d", version)
	}
	update(t, s, "south", func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutMember(ctx, member(bob, "", "viewer")))
		wantError(t, tx.DeleteMember(ctx, "p1"), store.ErrNotFound)
	})
	equal(t, "roles", got(s.Roles(ctx, "p2"))(t), map[string]string{"north": "developer", "south": "viewer"})
	equal(t, "a person", *got(s.PersonByEmail(ctx, "ada@example.org"))(t), ada)
	_, err := s.PersonByEmail(ctx, "nobody\x00")
	wantError(t, err, store.ErrNotFound)
	_, err = s.Update(ctx, "south", func(tx store.ConfigTx) error {
		return tx.PutPerson(ctx, store.Person{ID: "p3", Email: "ada@example.org", CreatedAt: epoch})
	})
	wantError(t, err, store.ErrExists)
	update(t, s, "north", func(ctx context.Context, tx store.ConfigTx) { must(t, tx.DeleteMember(ctx, "p2")) })
	equal(t, "roles after", got(s.Roles(ctx, "p2"))(t), map[string]string{"south": "viewer"})

	invitation := store.Invitation{Hash: []byte{1}, Project: "north", Email: "eve@example.org", Role: "viewer", CreatedAt: epoch, CreatedBy: "ada", ExpiresAt: epoch.Add(time.Hour)}
	again := invitation
	again.Hash, again.Role = []byte{2}, "operator"
	elsewhere := invitation
	elsewhere.Hash, elsewhere.Project = []byte{3}, "south"
	update(t, s, "south", func(ctx context.Context, tx store.ConfigTx) { must(t, tx.PutInvitation(ctx, elsewhere)) })
	update(t, s, "north", func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutInvitation(ctx, invitation))
		must(t, tx.PutInvitation(ctx, again))
	})
	equal(t, "invitations, read alone", got(s.InvitationsOf(ctx, "north"))(t), []store.Invitation{again})
	update(t, s, "north", func(ctx context.Context, tx store.ConfigTx) {
		equal(t, "invitations", got(tx.Invitations(ctx))(t), []store.Invitation{again})
		equal(t, "invitations of an email", got(tx.InvitationsTo(ctx, "eve@example.org", nil))(t), []store.Invitation{again, elsewhere})
		equal(t, "an invitation by its token", got(tx.InvitationsTo(ctx, "", []byte{3}))(t), []store.Invitation{elsewhere})
		wantError(t, tx.DeleteInvitation(ctx, []byte{1}), store.ErrNotFound)
		must(t, tx.DeleteInvitation(ctx, []byte{2}))
		equal(t, "no invitations", len(got(tx.Invitations(ctx))(t)), 0)
	})
}

func testSessions(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	ada := store.Person{ID: "p1", Email: "ada@example.org", Name: "Ada", CreatedAt: epoch}
	first := store.Session{Hash: bytes.Repeat([]byte{1}, 32), Person: "p1", CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour), From: "192.0.2.1"}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutPerson(ctx, ada))
		must(t, tx.PutSession(ctx, first))
	})
	session, person, err := s.Session(ctx, first.Hash)
	must(t, err)
	equal(t, "a session", *session, first)
	equal(t, "its person", *person, ada)
	second := first
	second.Hash, second.CreatedAt, second.ExpiresAt = []byte{2}, epoch.Add(2*time.Hour), epoch.Add(3*time.Hour)
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) { must(t, tx.PutSession(ctx, second)) })
	_, _, err = s.Session(ctx, first.Hash) // it had expired, and went
	wantError(t, err, store.ErrNotFound)
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.DeleteSession(ctx, second.Hash))
		must(t, tx.DeleteSession(ctx, second.Hash))
	})
	_, _, err = s.Session(ctx, second.Hash)
	wantError(t, err, store.ErrNotFound)
}
