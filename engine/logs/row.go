package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"paragon/engine/payload"
	"paragon/engine/record"
	"paragon/engine/store"
	"paragon/schema"
)

// Row is a row of the log.
type Row struct {
	// Key says what it is of: "r ID" is an ended run, "s PROJECT RUN SEQ" a
	// step's record, "p ID" a call of the proxy.
	Key string
	// Record is one of engine/record.
	Record string
}

// RowRoom is what AppendRun and AppendStep take at most beside the texts that
// they are given, in bytes.
const RowRoom = 2*binary.MaxVarintLen64 + len("s   ") + len("-9223372036854775808")

// AppendRun appends the row of an ended run.
func AppendRun(to []byte, id, record string) []byte {
	to = binary.AppendUvarint(to, uint64(len("r ")+len(id)))
	to = append(append(to, "r "...), id...)
	return appendText(to, record)
}

// AppendStep appends the row of a step's record. Seq orders the records of a run.
func AppendStep(to []byte, project, run string, seq int64, record string) []byte {
	var room [20]byte
	number := strconv.AppendInt(room[:0], seq, 10)
	to = binary.AppendUvarint(to, uint64(len("s   ")+len(project)+len(run)+len(number)))
	to = append(append(append(to, "s "...), project...), ' ')
	to = append(append(append(to, run...), ' '), number...)
	return appendText(to, record)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// errCutOff says that what follows in a value can't be told apart.
var errCutOff = errors.New("the rows of a value are cut off")

// Rows returns the rows of a value that AppendRun and AppendStep wrote; with
// the first that can't be read, an error and an end.
func Rows(value string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for value != "" {
			var row Row
			var err error
			if row.Key, value, err = cutText(value); err == nil {
				row.Record, value, err = cutText(value)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func cutText(from string) (text, rest string, err error) {
	n, used := binary.Uvarint([]byte(from[:min(len(from), binary.MaxVarintLen64)]))
	if used <= 0 || n > uint64(len(from)-used) {
		return "", "", errCutOff
	}
	end := used + int(n)
	return from[used:end], from[end:], nil
}

// ProxyCallKey is the key of the row of a call of the proxy.
func ProxyCallKey(id string) string { return "p " + id }

// form is how an entry, its fields and values in turn, holds rows. A row that
// can't be read comes as an error.
type form func(fields []any) iter.Seq2[Row, error]

// apart is the form in which each row is a field and its value.
func apart(fields []any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for i := 0; i+1 < len(fields); i += 2 {
			var row Row
			row.Key, _ = fields[i].(string)
			row.Record, _ = fields[i+1].(string)
			if !yield(row, nil) {
				return
			}
		}
	}
}

// rowsField is the field that has the rows in the form packed.
const rowsField = "rows"

// packed is the form in which one value has all rows.
func packed(fields []any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for i := 0; i+1 < len(fields); i += 2 {
			value, _ := fields[i+1].(string)
			if fields[i] != rowsField {
				if !yield(Row{}, fmt.Errorf("%d bytes under the unknown name %q", len(value), fields[i])) {
					return
				}
				continue
			}
			for row, err := range Rows(value) {
				if !yield(row, err) {
					return
				}
			}
		}
	}
}

// appendRow decodes one row into a batch.
func appendRow(batch *store.LogBatch, row Row) (err error) {
	kind, rest, _ := strings.Cut(row.Key, " ")
	switch kind {
	case "r":
		err = appendRun(batch, row.Record)
	case "s":
		err = appendStep(batch, rest, row.Record)
	case "p":
		batch.ProxyCalls = append(batch.ProxyCalls, schema.ProxyCall{})
		last := len(batch.ProxyCalls) - 1
		if err = record.ParseProxyCall(row.Record, &batch.ProxyCalls[last]); err != nil {
			batch.ProxyCalls = batch.ProxyCalls[:last]
		}
	default:
		err = errors.New("unknown kind")
	}
	if err != nil {
		return fmt.Errorf("log row %q: %w", row.Key, err)
	}
	return nil
}

func appendRun(batch *store.LogBatch, raw string) error {
	batch.Runs = append(batch.Runs, schema.Run{})
	last := len(batch.Runs) - 1
	run := &batch.Runs[last]
	if err := record.ParseRun(raw, run); err != nil {
		batch.Runs = batch.Runs[:last]
		return err
	}
	notePayload(batch, run.Project, run.Input)
	notePayload(batch, run.Project, run.Output)
	return nil
}

// appendStep decodes the record of a step; of is what its key says after the kind.
func appendStep(batch *store.LogBatch, of, raw string) error {
	project, of, _ := strings.Cut(of, " ")
	run, number, _ := strings.Cut(of, " ")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return err
	}
	batch.Steps = append(batch.Steps, store.StepRow{Project: project, Run: run, Seq: seq})
	last := len(batch.Steps) - 1
	rec := &batch.Steps[last].StepRecord
	if err := record.ParseStep(raw, rec); err != nil {
		batch.Steps = batch.Steps[:last]
		return err
	}
	notePayload(batch, project, rec.Result)
	return nil
}

// notePayload names the large value that a reference in a row stands for.
func notePayload(batch *store.LogBatch, project string, value []byte) {
	if ref, ok := payload.AsRef(value); ok {
		batch.Payloads = append(batch.Payloads, store.Payload{Project: project, Day: ref.Day(), Digest: ref.Digest()})
	}
}
