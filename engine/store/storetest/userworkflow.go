package storetest

import (
	"context"
	"testing"

	"paragon/engine/store"
)

func testUserWorkflows(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	choice := func(user, workflow string, enabled bool, settings string) store.UserWorkflow {
		return store.UserWorkflow{Project: project, User: user, Workflow: workflow, Enabled: enabled, Settings: []byte(settings), UpdatedAt: epoch, UpdatedBy: "ada"}
	}
	var noted []store.UserChange
	version := update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		for _, w := range []store.UserWorkflow{choice("u_2", "sync", true, ""), choice("u_1", "sync", true, `{"channel": "x"}`), choice("u_1", "digest", false, ""), choice("u_3", "sync", true, "")} {
			must(t, tx.PutUserWorkflow(ctx, w))
		}
		noted = tx.UserChanges()
	})
	equal(t, "choices are no change of configuration", version, int64(0))
	equal(t, "they are changes of the user", noted[1].Kind+" "+noted[1].User, "user u_1")
	update(t, s, "elsewhere", func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutUserWorkflow(ctx, choice("u_1", "sync", false, "")))
	})

	mine := got(s.UserWorkflows(ctx, project, "u_1"))(t)
	equal(t, "how many chose", len(mine), 2)
	want := choice("u_1", "sync", true, `{"channel": "x"}`)
	want.Generation = noted[1].ID
	equal(t, "a choice", mine[1], want)
	users := func(list []store.UserWorkflow) (out []string) {
		for _, w := range list {
			out = append(out, w.User)
		}
		return out
	}
	equal(t, "of a workflow", users(got(s.WorkflowUsers(ctx, project, "sync", "", "", 0))(t)), []string{"u_1", "u_2", "u_3"})
	equal(t, "a page", users(got(s.WorkflowUsers(ctx, project, "sync", "u_1", "", 1))(t)), []string{"u_2"})
	equal(t, "up to a user", users(got(s.WorkflowUsers(ctx, project, "sync", "", "u_2", 0))(t)), []string{"u_1", "u_2"})

	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		again := choice("u_1", "sync", false, "")
		again.UpdatedBy = "bob"
		must(t, tx.PutUserWorkflow(ctx, again))
		equal(t, "in the transaction", got(tx.UserWorkflow(ctx, "u_1", "sync"))(t).UpdatedBy, "bob")
		_, err := tx.UserWorkflow(ctx, "u_2", "digest")
		wantError(t, err, store.ErrNotFound)
		wantError(t, tx.DeleteUserWorkflow(ctx, "u_2", "digest"), store.ErrNotFound)
		must(t, tx.DeleteUserWorkflow(ctx, "u_1", "digest"))
		equal(t, "forgetting is a change of the user", tx.UserChanges()[1].User, "u_1")
	})
	mine = got(s.UserWorkflows(ctx, project, "u_1"))(t)
	if len(mine) != 1 || mine[0].Enabled || mine[0].Settings != nil || mine[0].UpdatedBy != "bob" || mine[0].Generation <= want.Generation {
		t.Errorf("after the second write: %+v", mine)
	}

	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutUser(ctx, store.User{ID: "u_1", CreatedAt: epoch, UpdatedAt: epoch}))
		must(t, tx.DeleteUser(ctx, "u_1"))
	})
	equal(t, "of a user who is gone", len(got(s.UserWorkflows(ctx, project, "u_1"))(t)), 0)
	equal(t, "elsewhere they stay", len(got(s.UserWorkflows(ctx, "elsewhere", "u_1"))(t)), 1)
}
