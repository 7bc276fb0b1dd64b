package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

// opener opens a store on a database of its own.
type opener func(t *testing.T) store.Store

// Run tests an implementation. Each call of open opens a store on a new, empty
// database, whose schema was not migrated, and closes it when the test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, opener)
	}{
		{"Migrate", testMigrate},
		{"MigrateConcurrently", testMigrateConcurrently},
		{"Close", testClose},
		{"Cancel", testCancel},
		{"Projects", testProjects},
		{"Resources", testResources},
		{"Revisions", testRevisions},
		{"Keys", testKeys},
		{"Audit", testAudit},
		{"AuditFilters", testAuditFilters},
		{"AuditChainUnderConcurrency", testAuditChain},
		{"People", testPeople},
		{"Sessions", testSessions},
		{"Users", testUsers},
		{"Credentials", testCredentials},
		{"UserChanges", testUserChanges},
		{"UserWorkflows", testUserWorkflows},
		{"ConfigVersion", testConfigVersion},
		{"PutAll", testPutAll},
		{"ConfigRollback", testConfigRollback},
		{"ConfigUpdatesAreSerialized", testConfigSerialized},
		{"LoadConfigIsConsistent", testLoadConfigConsistent},
		{"ConfigModel", testConfigModel},
		{"Releases", testReleases},
		{"Answers", testAnswers},
		{"AnswersAreClaimedOnce", testAnswerRace},
		{"Accept", testAccept},
		{"AcceptManyAtOnce", testAcceptConcurrently},
		{"IdempotencyKeys", testIdempotencyKeys},
		{"IdempotencyKeyRace", testIdempotencyRace},
		{"IdempotencyKeyExpires", testIdempotencyExpiry},
		{"WriteLog", testWriteLog},
		{"WriteLogExactlyOnce", testWriteLogOnce},
		{"WriteLogRace", testWriteLogRace},
		{"FenceLog", testFenceLog},
		{"WriteLogOfARunDoneTwice", testWriteLogAgain},
		{"WriteLogRefuses", testWriteLogRefuses},
		{"WriteLogHostileText", testHostileText},
		{"WriteLogOverManyDays", testManyDays},
		{"EndedRunsAreNotAccepted", testEndedNotAccepted},
		{"ListRuns", testListRuns},
		{"ListRunsByError", testListByError},
		{"ProxyCalls", testProxyCalls},
		{"Pauses", testPauses},
		{"Operations", testOperations},
		{"OperationsAreLeasedOnce", testOperationRace},
		{"DeleteRuns", testDeleteRuns},
		{"DeleteRunsOfOneProject", testDeleteRunsOfOneProject},
		{"DeleteRunsKeepsTheRest", testDeleteRunsKeepsTheRest},
		{"Payloads", testPayloads},
		{"DeleteRunsWhileWriting", testDeleteWhileWriting},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// epoch is when the tests' runs are created.
var epoch = time.Date(2026, 3, 14, 15, 9, 26, 535_897_000, time.UTC)

const project = "default"

// migrated opens a store that is ready for use.
func migrated(t *testing.T, open opener) store.Store {
	t.Helper()
	s := open(t)
	must(t, s.Migrate(t.Context()))
	return s
}

// runID is the id of a run that was created at a time, the n-th of it.
func runID(at time.Time, n int) string { return fmt.Sprintf("%s%016d", schema.RunIDBound(at), n) }

// failer is what the checks need of a test; rapid's has no more.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got fails the test on an error and passes the value on.
func got[T any](value T, err error) func(failer) T {
	return func(t failer) T {
		t.Helper()
		must(t, err)
		return value
	}
}

// wantError fails unless err is the error wanted.
func wantError(t failer, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v; want %v", err, want)
	}
}

// equal compares deeply, and shows the first place that differs.
func equal(t failer, what string, have, want any) {
	t.Helper()
	if !reflect.DeepEqual(have, want) {
		t.Fatalf("%s:\n have %s\n want %s", what, show(have), show(want))
	}
}

func show(v any) string {
	text := fmt.Sprintf("%+v", v)
	if len(text) > 2000 {
		text = text[:2000] + "…"
	}
	return text
}

// update runs f in an update of the project and returns the new version.
func update(t testing.TB, s store.Store, project string, f func(ctx context.Context, tx store.ConfigTx)) int64 {
	t.Helper()
	version, err := s.Update(t.Context(), project, func(tx store.ConfigTx) error {
		f(t.Context(), tx)
		return nil
	})
	must(t, err)
	return version
}

// resource is a resource with all its fields set.
func resource(kind schema.Kind, name, spec string) store.Resource {
	return store.Resource{
		Project: project, Kind: kind,
		Metadata: schema.Metadata{Name: name, Labels: map[string]string{"team": "grøwth"}, Annotations: map[string]string{"a": "1"}},
		Spec:     []byte(spec), Digest: "d-" + name, Source: "main/" + name + ".yaml",
		UpdatedAt: epoch, UpdatedBy: "ada",
	}
}

// put writes resources in one update.
func put(t testing.TB, s store.Store, resources ...store.Resource) int64 {
	t.Helper()
	return update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		for _, r := range resources {
			got(tx.Put(ctx, r))(t)
		}
	})
}

// endedRun is a run with all its fields set.
func endedRun(at time.Time, n int, status schema.RunStatus) schema.Run {
	started, ended := at.Add(time.Millisecond), at.Add(time.Second)
	r := schema.Run{
		ID: runID(at, n), Project: project, Workflow: "lead-sync", Revision: 7, Status: status,
		Trigger: schema.Trigger{Kind: "webhook", ID: "hook", Time: at, Method: "POST", Headers: map[string]string{"x": "y"}},
		Input:   []byte(`{"b":1,  "a":[null]}`), Output: []byte(`null`),
		CreatedAt: at, StartedAt: &started, EndedAt: &ended, Attempts: 4, Recoveries: 1, TraceID: strings.Repeat("ab", 16), User: "u_" + strconv.Itoa(n%4),
	}
	if status == schema.RunFailed {
		r.Error = &schema.RunError{Type: "http", Message: "CRM said Nø: 503", Status: 503, Step: "lookup", At: "sync.yaml:14:7"}
	}
	return r
}

// stepRow is a step record with all its fields set.
func stepRow(run string, seq int64) store.StepRow {
	at := epoch.Add(time.Duration(seq) * time.Second)
	return store.StepRow{Project: project, Run: run, Seq: seq, StepRecord: schema.StepRecord{
		Path: "each[3]/lookup", Step: "lookup", Kind: "request", Status: schema.StepRetrying, Attempt: 2,
		StartedAt: at, EndedAt: at.Add(time.Millisecond), RetryAt: at.Add(time.Second), WaitUntil: at.Add(time.Hour),
		Result: []byte(`{"status":503}`), Error: &schema.RunError{Type: "http", Message: "503", Status: 503},
		Attempts: []schema.Attempt{{Number: 2, StartedAt: at, EndedAt: at, RetryAfter: schema.Duration(time.Second),
			Request: &schema.HTTPRecord{Method: "GET", URL: "https://crm.example/contacts", Size: 0}}},
	}}
}

// write writes a batch that must apply.
func write(t testing.TB, s store.Store, batch store.LogBatch) {
	t.Helper()
	if !got(s.WriteLog(t.Context(), batch))(t) {
		t.Fatalf("the batch from %q of %s did not apply", batch.From, batch.Stream)
	}
}

// ids lists the ids of runs.
func ids(runs []schema.Run) []string {
	out := []string{}
	for _, r := range runs {
		out = append(out, r.ID)
	}
	return out
}
