package logs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"paragon/engine/queue"
	"paragon/engine/store"
	"paragon/schema"
)

// StreamKey names a lane's log: a Redis stream in which an entry holds the
// rows of one group commit, each a field (its row key) and a value (JSON).
func StreamKey(lane int) string { return queue.Key(lane, "log") }

// RunKey is the row key of an ended run.
func RunKey(id string) string { return "r " + id }

// StepKey is the row key of a step record. Seq orders the records of a run.
func StepKey(project, run string, seq int64) string {
	return "s " + project + " " + run + " " + strconv.FormatInt(seq, 10)
}

// appendRow decodes one row into a batch.
func appendRow(batch *store.LogBatch, key, value string) error {
	parts := strings.Split(key, " ")
	switch {
	case parts[0] == "r" && len(parts) == 2:
		var run schema.Run
		if err := json.Unmarshal([]byte(value), &run); err != nil {
			return fmt.Errorf("log row %q: %w", key, err)
		}
		batch.Runs = append(batch.Runs, run)
	case parts[0] == "s" && len(parts) == 4:
		seq, err := strconv.ParseInt(parts[3], 10, 64)
		if err != nil {
			return fmt.Errorf("log row %q: %w", key, err)
		}
		row := store.StepRow{Project: parts[1], Run: parts[2], Seq: seq}
		if err := json.Unmarshal([]byte(value), &row.StepRecord); err != nil {
			return fmt.Errorf("log row %q: %w", key, err)
		}
		batch.Steps = append(batch.Steps, row)
	default:
		return fmt.Errorf("log row %q: unknown kind", key)
	}
	return nil
}
