package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/store"
	"paragon/schema"
)

// StreamKey names a lane's log: a Redis stream in which an entry holds the
// rows of one group commit in one field, rowsField, and in another, endedField,
// the ids of the runs that end in it, by a space each.
//
// The proxy's calls, and what versions before wrote, are rows that are a field
// (its row key) and a value each.
func StreamKey(lane int) string { return queue.Key(lane, "log") }

const (
	rowsField  = "rows"
	endedField = "ended"
)

// RowKind says what a row is of.
type RowKind byte

const (
	// RunRow is the row of an ended run.
	RunRow RowKind = 'r'
	// StepRow is a step's record.
	StepRow RowKind = 's'
)

// RowRoom is what a row takes at most beside its texts, in bytes.
const RowRoom = 1 + 4*binary.MaxVarintLen64

// AppendRun appends the row of an ended run, given as a record of engine/record.
func AppendRun(to []byte, record string) []byte {
	return appendText(append(to, byte(RunRow)), record)
}

// AppendStep appends the row of a step's record (of engine/record). Seq orders
// the records of a run.
func AppendStep(to []byte, project, run string, seq int64, record string) []byte {
	to = appendText(appendText(append(to, byte(StepRow)), project), run)
	return appendText(binary.AppendVarint(to, seq), record)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// Row is a row of an entry, as AppendRun and AppendStep wrote it.
type Row struct {
	Kind         RowKind
	Project, Run string // of a step
	Seq          int64  // of a step
	Record       string
}

// errRows says that the rows of an entry can't be told apart.
var errRows = errors.New("the rows are cut off or of a later version")

// Rows returns the rows of an entry; with the first that can't be read, an error
// and an end.
func Rows(text string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for text != "" {
			row, rest, err := cutRow(text)
			if !yield(row, err) || err != nil {
				return
			}
			text = rest
		}
	}
}

func cutRow(text string) (row Row, rest string, err error) {
	row.Kind, rest = RowKind(text[0]), text[1:]
	switch row.Kind {
	case StepRow:
		var n int
		if row.Project, rest, err = cutText(rest); err != nil {
			return row, "", err
		}
		if row.Run, rest, err = cutText(rest); err != nil {
			return row, "", err
		}
		if row.Seq, n = binary.Varint(head(rest)); n <= 0 {
			return row, "", errRows
		}
		rest = rest[n:]
	case RunRow:
	default:
		return row, "", errRows
	}
	row.Record, rest, err = cutText(rest)
	return row, rest, err
}

func cutText(text string) (value, rest string, err error) {
	n, used := binary.Uvarint(head(text))
	if used <= 0 || n > uint64(len(text)-used) {
		return "", "", errRows
	}
	return text[used : used+int(n)], text[used+int(n):], nil
}

// head is where a number at the front of a text is.
func head(text string) []byte { return []byte(text[:min(len(text), binary.MaxVarintLen64)]) }

// stepKey reads the key of a step's row that is a field of its own.
func stepKey(key string) (project, run string, seq int64, err error) {
	project, rest, _ := strings.Cut(strings.TrimPrefix(key, "s "), " ")
	run, number, _ := strings.Cut(rest, " ")
	if seq, err = strconv.ParseInt(number, 10, 64); err != nil {
		err = fmt.Errorf("log row %q: %w", key, err)
	}
	return project, run, seq, err
}

// ProxyCallKey is the row key of a proxy call.
func ProxyCallKey(id string) string { return "p " + id }

// appendField decodes a field of an entry into a batch, and tells bad of each
// row that can't be read.
func appendField(batch *store.LogBatch, key, value string, bad func(error)) {
	one := func(row Row, err error) {
		if err == nil {
			err = appendRow(batch, row)
		}
		if err != nil {
			bad(err)
		}
	}
	switch kind, _, _ := strings.Cut(key, " "); kind {
	case rowsField:
		for row, err := range Rows(value) {
			one(row, err)
		}
	case endedField:
	case "r":
		one(Row{Kind: RunRow, Record: value}, nil)
	case "s":
		project, run, seq, err := stepKey(key)
		one(Row{Kind: StepRow, Project: project, Run: run, Seq: seq, Record: value}, err)
	case "p":
		batch.ProxyCalls = append(batch.ProxyCalls, schema.ProxyCall{})
		if err := record.ParseProxyCall(value, &batch.ProxyCalls[len(batch.ProxyCalls)-1]); err != nil {
			batch.ProxyCalls = batch.ProxyCalls[:len(batch.ProxyCalls)-1]
			bad(fmt.Errorf("log row %q: %w", key, err))
		}
	default:
		bad(fmt.Errorf("log row %q: unknown kind", key))
	}
}

// appendRow decodes one row into a batch.
func appendRow(batch *store.LogBatch, row Row) error {
	if row.Kind == RunRow {
		batch.Runs = append(batch.Runs, schema.Run{})
		run := &batch.Runs[len(batch.Runs)-1]
		if err := record.ParseRun(row.Record, run); err != nil {
			batch.Runs = batch.Runs[:len(batch.Runs)-1]
			return fmt.Errorf("log row of a run: %w", err)
		}
		notePayload(batch, run.Project, run.Input)
		notePayload(batch, run.Project, run.Output)
		return nil
	}
	batch.Steps = append(batch.Steps, store.StepRow{Project: row.Project, Run: row.Run, Seq: row.Seq})
	rec := &batch.Steps[len(batch.Steps)-1].StepRecord
	if err := record.ParseStep(row.Record, rec); err != nil {
		batch.Steps = batch.Steps[:len(batch.Steps)-1]
		return fmt.Errorf("log row of a step of run %s: %w", row.Run, err)
	}
	notePayload(batch, row.Project, rec.Result)
	return nil
}

// notePayload names the large value that a reference in a row stands for.
func notePayload(batch *store.LogBatch, project string, value []byte) {
	if ref, ok := payload.AsRef(value); ok {
		batch.Payloads = append(batch.Payloads, store.Payload{Project: project, Day: ref.Day(), Digest: ref.Digest()})
	}
}
