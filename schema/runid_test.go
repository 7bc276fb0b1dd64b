package schema

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRunIDBoundSeparatesTimes(t *testing.T) {
	tail := rapid.StringOfN(rapid.RuneFrom([]rune(runIDAlphabet)), 16, 16, 16)
	moment := rapid.Int64Range(0, 1<<42)
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(moment.Draw(t, "created")).UTC()
		bound := time.UnixMilli(moment.Draw(t, "bound"))
		id := RunIDBound(at) + tail.Draw(t, "tail")
		got, ok := RunIDTime(id)
		if !ok || !got.Equal(at) {
			t.Fatalf("RunIDTime(%s) = %v, %v; want %v", id, got, ok, at)
		}
		if (id < RunIDBound(bound)) != at.Before(bound) {
			t.Fatalf("%s of %v on the wrong side of %v", id, at, bound)
		}
	})
}

func TestRunIDTimeRefuses(t *testing.T) {
	good := "r01ktestktest00000000000000"
	for _, id := range []string{
		"", "r", good[1:], "x" + good[1:], good + "0", strings.ToUpper(good),
		strings.Replace(good, "k", "u", 1), strings.Replace(good, "k", "\x00", 1),
		"r8" + good[2:],
	} {
		if _, ok := RunIDTime(id); ok {
			t.Errorf("%q was taken for a run's id", id)
		}
	}
	if _, ok := RunIDTime(good); !ok {
		t.Errorf("%q was refused", good)
	}
}
