package chain_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/schema/chain"
)

func genRecord(seq int64) *rapid.Generator[chain.Record] {
	return rapid.Custom(func(t *rapid.T) chain.Record {
		text := rapid.StringN(0, 8, -1)
		return chain.Record{Seq: seq, Project: "p", At: time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "at")),
			Actor: text.Draw(t, "actor"), Action: text.Draw(t, "action"), Object: text.Draw(t, "object"),
			Outcome: "done", From: text.Draw(t, "from"), Detail: []byte(`{"n":` + rapid.StringMatching(`[1-9][0-9]{0,5}`).Draw(t, "n") + `}`)}
	})
}

// Whatever is done to a log in the middle shows: a field changed, a record
// taken out, two swapped.
func TestTamperingShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "records")
		records, hashes := make([]chain.Record, n), make([][]byte, n)
		var prev []byte
		for i := range records {
			records[i] = genRecord(int64(i+1)).Draw(t, "record")
			hashes[i] = chain.Hash(prev, records[i])
			prev = hashes[i]
		}
		verify := func() error {
			var v chain.Verifier
			for i, r := range records {
				if err := v.Add(r, hashes[i]); err != nil {
					return err
				}
			}
			return nil
		}
		if err := verify(); err != nil {
			t.Fatalf("an honest log: %v", err)
		}
		at := rapid.IntRange(0, n-2).Draw(t, "place")
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			records[at].Actor += "x"
		case 1:
			records[at].Actor, records[at].Action = records[at].Actor+records[at].Action+"x", ""
		case 2:
			records[at].At = records[at].At.Add(time.Microsecond)
		case 3:
			records[at].Detail = []byte(`{"n":0}`)
		case 4:
			records, hashes = append(records[:at], records[at+1:]...), append(hashes[:at], hashes[at+1:]...)
		case 5: // a forger who makes the hash of the changed record again
			records[at].Outcome = "refused"
			var before []byte
			if at > 0 {
				before = hashes[at-1]
			}
			hashes[at] = chain.Hash(before, records[at])
		}
		var broken *chain.BrokenError
		if err := verify(); !errors.As(err, &broken) {
			t.Fatalf("tampering at %d does not show: %v", at, err)
		}
	})
}

func TestWhiteSpaceOfDetailDoesNotCount(t *testing.T) {
	a := chain.Record{Seq: 1, Detail: []byte(`{"a": 1}`)}
	b := chain.Record{Seq: 1, Detail: []byte(`{"a":1}`)}
	if string(chain.Hash(nil, a)) != string(chain.Hash(nil, b)) {
		t.Error("white space counts")
	}
}
