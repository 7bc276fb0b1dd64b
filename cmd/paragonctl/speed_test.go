package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The command must feel instant: it starts within 30 ms, and checks 200 files
// within 300 ms; 200 cases of tests take less than 5 s. What is measured is the processor time of the program
// without the race detector, the median of nine, so that other work of the machine counts little.
func TestSpeed(t *testing.T) {
	program := filepath.Join(t.TempDir(), "paragonctl")
	build := exec.Command("go", "build", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	flows := t.TempDir()
	text, err := os.ReadFile("../../examples/saga/workflow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		named := strings.Replace(string(text), "\n  name: ", fmt.Sprintf("\n  name: n%d-", i), 1)
		if err := os.WriteFile(filepath.Join(flows, fmt.Sprintf("%d.yaml", i)), []byte(named), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	tests := t.TempDir()
	if text, err = os.ReadFile("../../examples/tests/approval.yaml"); err != nil {
		t.Fatal(err)
	}
	flow, err := filepath.Abs("../../examples/approval/workflow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 { // of four cases each
		named := strings.Replace(string(text), "name: approval", fmt.Sprintf("name: approval-%d", i), 1)
		named = strings.Replace(named, "../approval/workflow.yaml", filepath.ToSlash(flow), 1)
		if err := os.WriteFile(filepath.Join(tests, fmt.Sprintf("%d.yaml", i)), []byte(named), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		args  []string
		limit time.Duration
	}{
		{"start", []string{"version", "--client"}, 30 * time.Millisecond},
		{"test 200 cases", []string{"test", "-f", tests}, 5 * time.Second},
		{"validate 200 files", []string{"validate", "-f", flows}, 300 * time.Millisecond},
	} {
		var took, wall []time.Duration
		for range 9 {
			cmd := exec.Command(program, test.args...)
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%.2000s", test.name, err, out)
			}
			wall = append(wall, time.Since(began))
			took = append(took, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
		slices.Sort(took)
		slices.Sort(wall)
		t.Logf("%s: %v of processor time, %v on the wall (medians of 9)", test.name, took[4].Round(time.Millisecond), wall[4].Round(time.Millisecond))
		if took[4] > test.limit {
			t.Errorf("%s: took %v, which is more than %v", test.name, took[4], test.limit)
		}
	}
}
