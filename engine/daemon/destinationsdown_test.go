package daemon_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"paragon/engine/daemon"
	"paragon/engine/servicetest"
	"paragon/engine/store/postgres"
	"paragon/schema/api"
)

// With Postgres stopped destinations are told, disabled, resumed and asked for
// all the same, by a scheduler that was started meanwhile, too; the audit log
// has it once Postgres is back.
func TestDestinationsWithoutPostgres(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sql := servicetest.StartPostgres(t, servicetest.PostgresOptions{})
	db, err := postgres.Open(ctx, sql.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	told, gone := &inbox{status: http.StatusOK}, &inbox{status: http.StatusGone}
	hooks := http.NewServeMux()
	hooks.Handle("/told", told)
	hooks.Handle("/gone", gone)
	far := httptest.NewServer(hooks)
	t.Cleanup(far.Close)
	var base daemon.Options
	d, _ := startServed(t, io.Discard, nil, func(o *daemon.Options) {
		o.Store = db
		base = *o
		o.Roles = []daemon.Role{daemon.RoleAPI, daemon.RoleWorker, daemon.RoleFlusher}
	})
	_, stopFirst := startRole(t, base, daemon.RoleScheduler)
	document := func(name, events string) string {
		return "---\napiVersion: paragon/v1\nkind: Destination\nmetadata: {name: " + name + "}\nspec:\n  events: [" + events + "]\n" +
			"  group: {wait: 1s, interval: 1s}\n  webhook: {url: \"" + far.URL + "/" + name + "\"}\n"
	}
	d.put(document("told", "{event: run.failed}, {event: destination.disabled}") + document("gone", "{event: run.failed}"))
	d.apply("unlucky", `steps: [{id: stop, fail: {message: "no luck"}}]`)
	d.awaits("the worker counts failures", func() bool {
		d.fails("unlucky")
		return len(told.got()) > 0
	})
	disabled := func() int { return strings.Count(strings.Join(told.got(), ""), `"destination.disabled"`) }
	d.awaits("the other is disabled, which the one is told", func() bool { return d.status("gone").State == api.DestinationDisabled && disabled() == 1 })
	if err := d.ResumeDestination(ctx, "gone"); err != nil {
		t.Fatal(err)
	}

	sql.Kill()
	d.awaits("what waited for the resumed one is tried, and it is disabled again", func() bool { return d.status("gone").State == api.DestinationDisabled })
	stopFirst(context.WithoutCancel(ctx))
	_, stopSecond := startRole(t, base, daemon.RoleScheduler)
	defer func() { stopSecond(context.WithoutCancel(ctx)) }()
	before, tried := len(told.got()), len(gone.got())
	d.fails("unlucky")
	d.awaits("the one is told of the run", func() bool {
		all := told.got()
		return len(all) > before && strings.Contains(strings.Join(all[before:], ""), "unlucky")
	})
	d.awaits("it is told that the other is disabled again", func() bool { return disabled() == 2 })
	d.awaits("the other counts", func() bool { return d.status("gone").Waiting > 0 })
	if n := len(gone.got()); n != tried {
		t.Errorf("%d messages to one that is disabled", n-tried)
	}
	gone.answer(http.StatusOK)
	if _, err := d.TestDestination(ctx, "gone"); err != nil {
		t.Errorf("a test is not sent without Postgres: %v", err)
	}
	if err := d.ResumeDestination(ctx, "gone"); err != nil {
		t.Errorf("it can't be resumed without Postgres: %v", err)
	}
	d.awaits("it is told all", func() bool { s := d.status("gone"); return s.State == api.DestinationActive && s.Waiting == 0 })

	sql.Restart()
	soon(t, "the audit log has what happened", func() bool {
		list, err := d.Audit(ctx, api.AuditQuery{Action: "disable"})
		return err == nil && len(list.Items) == 2
	})
}
