package logs

import (
	"fmt"
	"strconv"
	"strings"

	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/store"
	"paragon/schema"
)

// StreamKey names a lane's log: a Redis stream in which an entry holds the
// rows of one group commit, each a field (its row key) and a value (of engine/record).
func StreamKey(lane int) string { return queue.Key(lane, "log") }

// AppendRunKey appends the row key of an ended run.
func AppendRunKey(to []byte, id string) []byte {
	return append(append(to, "r "...), id...)
}

// AppendStepKey appends the row key of a step record. Seq orders the records of
// a run.
func AppendStepKey(to []byte, project, run string, seq int64) []byte {
	to = append(append(append(to, "s "...), project...), ' ')
	to = append(append(to, run...), ' ')
	return strconv.AppendInt(to, seq, 10)
}

// ProxyCallKey is the row key of a proxy call.
func ProxyCallKey(id string) string { return "p " + id }

// appendRow decodes one row into a batch.
func appendRow(batch *store.LogBatch, key, value string) error {
	kind, rest, _ := strings.Cut(key, " ")
	switch kind {
	case "r":
		batch.Runs = append(batch.Runs, schema.Run{})
		if err := record.ParseRun(value, &batch.Runs[len(batch.Runs)-1]); err != nil {
			batch.Runs = batch.Runs[:len(batch.Runs)-1]
			return fmt.Errorf("log row %q: %w", key, err)
		}
		run := &batch.Runs[len(batch.Runs)-1]
		notePayload(batch, run.Project, run.Input)
		notePayload(batch, run.Project, run.Output)
		return nil
	case "s":
		project, rest, _ := strings.Cut(rest, " ")
		run, number, _ := strings.Cut(rest, " ")
		seq, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("log row %q: %w", key, err)
		}
		batch.Steps = append(batch.Steps, store.StepRow{Project: project, Run: run, Seq: seq})
		if err := record.ParseStep(value, &batch.Steps[len(batch.Steps)-1].StepRecord); err != nil {
			batch.Steps = batch.Steps[:len(batch.Steps)-1]
			return fmt.Errorf("log row %q: %w", key, err)
		}
		notePayload(batch, project, batch.Steps[len(batch.Steps)-1].Result)
		return nil
	case "p":
		batch.ProxyCalls = append(batch.ProxyCalls, schema.ProxyCall{})
		if err := record.ParseProxyCall(value, &batch.ProxyCalls[len(batch.ProxyCalls)-1]); err != nil {
			batch.ProxyCalls = batch.ProxyCalls[:len(batch.ProxyCalls)-1]
			return fmt.Errorf("log row %q: %w", key, err)
		}
		return nil
	}
	return fmt.Errorf("log row %q: unknown kind", key)
}

// notePayload names the large value that a reference in a row stands for.
func notePayload(batch *store.LogBatch, project string, value []byte) {
	if ref, ok := payload.AsRef(value); ok {
		batch.Payloads = append(batch.Payloads, store.Payload{Project: project, Day: ref.Day(), Digest: ref.Digest()})
	}
}
