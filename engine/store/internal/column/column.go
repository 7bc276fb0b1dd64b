package column

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"paragon/engine/store"
	"paragon/schema"
)

// Text makes text that Postgres takes: UTF-8 without NUL. What is neither
// becomes U+FFFD.
func Text(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// IsText tells whether bytes are text that Postgres takes as it is.
func IsText(b []byte) bool { return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) }

// TextOrNil is Text, with nil for the empty text.
func TextOrNil(s string) any {
	if s == "" {
		return nil
	}
	return Text(s)
}

// Raw is a JSON document as text, nil for none.
func Raw(doc json.RawMessage) any {
	if len(doc) == 0 {
		return nil
	}
	return Text(string(doc))
}

// RawFrom is the document of a column that Raw filled.
func RawFrom(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	return json.RawMessage(*text)
}

// Strings is a map as JSON, nil for an empty one.
func Strings(m map[string]string) (any, error) {
	if len(m) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(m)
	return string(text), err
}

// Document is a value as JSON.
func Document(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// Decode reads a column that holds JSON, leaving v as it is without one.
func Decode(text *string, v any) error {
	if text == nil {
		return nil
	}
	return json.Unmarshal([]byte(*text), v)
}

// Fold makes text in which a search does not tell upper from lower case.
func Fold(s string) string { return strings.ToLower(Text(s)) }

// KeyDigest is the identity of an idempotency key of a workflow, nil without a
// key. The lengths keep neighbouring fields from running into one another.
func KeyDigest(project, workflow, key string) []byte {
	if key == "" {
		return nil
	}
	h := sha256.New()
	for _, part := range []string{project, workflow, key} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Bytes is b, and empty for nil, for columns that are never NULL.
func Bytes(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// BytesFrom is the bytes of a column that Bytes filled, nil for none.
func BytesFrom(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Micros is a time in microseconds since 1970, nil for the zero time.
func Micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// CheckBatch finds what no database could write of a batch.
func CheckBatch(batch store.LogBatch) error {
	if batch.Stream == "" {
		return errors.New("write log: the batch names no stream")
	}
	for i := range batch.Runs {
		run := &batch.Runs[i]
		if _, ok := schema.RunIDTime(run.ID); !ok {
			return fmt.Errorf("write log: %q is not the id of a run", run.ID)
		}
		if !run.Status.Ended() {
			return fmt.Errorf("write log: run %s has not ended: it is %s", run.ID, run.Status)
		}
	}
	for i := range batch.Steps {
		if _, ok := schema.RunIDTime(batch.Steps[i].Run); !ok {
			return fmt.Errorf("write log: step %s: %q is not the id of a run", batch.Steps[i].Path, batch.Steps[i].Run)
		}
	}
	for i := range batch.ProxyCalls {
		if _, ok := schema.ProxyCallIDTime(batch.ProxyCalls[i].ID); !ok {
			return fmt.Errorf("write log: %q is not the id of a proxy call", batch.ProxyCalls[i].ID)
		}
	}
	return nil
}

// EndedStatuses are the states that a query asks for among those that history
// has, sorted and each once. All is true when it asks for all of them.
func EndedStatuses(asked []schema.RunStatus) (statuses []schema.RunStatus, all bool) {
	if len(asked) == 0 {
		return nil, true
	}
	for _, status := range []schema.RunStatus{schema.RunCanceled, schema.RunFailed, schema.RunSucceeded} {
		if slices.Contains(asked, status) {
			statuses = append(statuses, status)
		}
	}
	return statuses, len(statuses) == 3
}

// Accepted is a batch of Accept without what stands in it twice.
type Accepted struct {
	Runs []store.AcceptedRun
	// Keys are the runs' keys in the order of their digests, so that two
	// batches lock them in one order.
	Keys []Key
}

// Key is an idempotency key with the run that wants it.
type Key struct {
	Digest             []byte
	Run                string
	CreatedAt, Expires time.Time
}

// CheckAccept prepares a batch for Accept. It fails with a *KeyTakenError when
// two runs of the batch have one key.
func CheckAccept(runs []store.AcceptedRun) (Accepted, error) {
	var out Accepted
	seen := make(map[string]bool, len(runs))
	keys := map[string]string{}
	taken := map[string]string{}
	for _, run := range runs {
		if run.ID == "" {
			return Accepted{}, errors.New("accept: a run has no id")
		}
		if seen[run.ID] {
			continue
		}
		seen[run.ID] = true
		out.Runs = append(out.Runs, run)
		digest := KeyDigest(run.Project, run.Workflow, run.IdempotencyKey)
		if digest == nil {
			continue
		}
		if first, ok := keys[string(digest)]; ok {
			taken[run.ID] = first
			continue
		}
		keys[string(digest)] = run.ID
		out.Keys = append(out.Keys, Key{Digest: digest, Run: run.ID, CreatedAt: run.CreatedAt, Expires: run.CreatedAt.Add(store.KeyLife)})
	}
	if len(taken) > 0 {
		return Accepted{}, &store.KeyTakenError{Runs: taken}
	}
	slices.SortFunc(out.Keys, func(a, b Key) int { return slices.Compare(a.Digest, b.Digest) })
	return out, nil
}

// LastSteps removes the records that a later one of the same batch replaces.
func LastSteps(steps []store.StepRow) []store.StepRow {
	type key struct {
		run string
		seq int64
	}
	last := make(map[key]int, len(steps))
	for i, s := range steps {
		last[key{s.Run, s.Seq}] = i
	}
	out := make([]store.StepRow, 0, len(last))
	for i, s := range steps {
		if last[key{s.Run, s.Seq}] == i {
			out = append(out, s)
		}
	}
	return out
}

// FirstRuns removes the runs that an earlier one of the same batch makes
// superfluous.
func FirstRuns(runs []schema.Run) []schema.Run {
	type key struct{ project, id string }
	seen := make(map[key]bool, len(runs))
	out := make([]schema.Run, 0, len(runs))
	for _, r := range runs {
		if k := (key{r.Project, r.ID}); !seen[k] {
			seen[k] = true
			out = append(out, r)
		}
	}
	return out
}
