// Package tests_test runs the tests of the examples, as `paragonctl test` does.
package tests_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestExamples(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "paragonctl")
	if out, err := exec.Command("go", "build", "-o", bin, "paragon/cmd/paragonctl").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if out, err := exec.Command(bin, "test", ".", "--coverage-min", "95").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
