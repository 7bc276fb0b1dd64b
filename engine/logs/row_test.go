package logs

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"paragon/engine/record"
	"paragon/engine/store"
	"paragon/schema"
)

// What is appended to a value comes back, row by row, within the room that was
// promised.
func TestRowsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var value []byte
		var want []Row
		room := 0
		for range rapid.IntRange(0, 20).Draw(t, "rows") {
			text := rapid.SampledFrom([]string{"", "x", strings.Repeat("ä\n\x00", 100)}).Draw(t, "record")
			run := rapid.StringMatching(`[0-9A-Z]{1,26}`).Draw(t, "run")
			if rapid.Bool().Draw(t, "end") {
				value = AppendRun(value, run, text)
				want = append(want, Row{"r " + run, text})
				room += len(run) + len(text) + RowRoom
				continue
			}
			project := rapid.StringMatching(`[a-z-]{1,200}`).Draw(t, "project")
			seq := rapid.SampledFrom([]int64{0, 1, 127, math.MaxInt64, math.MinInt64}).Draw(t, "seq")
			value = AppendStep(value, project, run, seq, text)
			want = append(want, Row{fmt.Sprintf("s %s %s %d", project, run, seq), text})
			room += len(project) + len(run) + len(text) + RowRoom
		}
		if len(value) > room {
			t.Fatalf("%d bytes, in a room of %d", len(value), room)
		}
		for row, err := range Rows(string(value)) {
			if err != nil || len(want) == 0 || row != want[0] {
				t.Fatalf("%+v, %v; want %+v", row, err, want)
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Fatalf("%d rows are missing", len(want))
		}
	})
}

// A row that can't be read is left out alone, in both forms; of a value that is
// cut off, what comes before is read.
func TestUnreadableRowsAreLeftOutAlone(t *testing.T) {
	good, ended := stepRow(t, "01", 1), runRow(t, "01")
	rows := []Row{good, {"s default 01 x", good.Record}, {"s default 01 2", "\xff"}, {"r 02", ""}, {"z later", "x"}, {"", ""}, {"p c", "\xff"}, ended}
	for _, s := range streamsOf(0) {
		t.Run(s.name, func(t *testing.T) {
			fields, _ := fieldsOf(s, rows)
			batch, bad := decode(s, fields)
			if len(batch.Steps) != 1 || len(batch.Runs) != 1 || batch.Rows() != 2 || bad != 6 {
				t.Errorf("%d rows can't be read; the others are %+v; want a step and a run", bad, batch)
			}
		})
	}
	value := AppendStep(nil, "default", "01", 1, good.Record)
	cut := string(AppendRun(value, "01", ended.Record)[:len(value)+5])
	batch, bad := decode(streamsOf(0)[1], []any{"later", "x", rowsField, cut, 7, nil})
	if len(batch.Steps) != 1 || batch.Rows() != 1 || bad != 3 {
		t.Errorf("of a value that is cut off, beside unknown fields: %+v, %d errors", batch, bad)
	}
}

// decode decodes an entry, and counts what can't be read.
func decode(s stream, fields []any) (batch store.LogBatch, bad int) {
	for row, err := range s.form(fields) {
		if err == nil {
			err = appendRow(&batch, row)
		}
		if err != nil {
			bad++
		}
	}
	return batch, bad
}

// FuzzRows reads any bytes as an entry of either form.
func FuzzRows(f *testing.F) {
	step, err := record.AppendStep(nil, &schema.StepRecord{Path: "a", Step: "a", Kind: "set", Status: schema.StepSucceeded})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(AppendRun(AppendStep(nil, "default", "01", 1, string(step)), "01", "x")))
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, value string) {
		var again []byte
		for row, err := range Rows(value) {
			if err == nil {
				again = appendText(appendText(again, row.Key), row.Record)
			}
		}
		if len(again) > len(value) {
			t.Errorf("%d bytes hold %d bytes of rows", len(value), len(again))
		}
		for _, s := range streamsOf(0) {
			batch, bad := decode(s, []any{rowsField, value, value, value})
			if batch.Rows()+bad == 0 && value != "" {
				t.Error("nothing was read, and nothing said of it")
			}
		}
	})
}
