package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The configuration of releases names what is there, and gives the programs
// their version as make build does.
func TestRelease(t *testing.T) {
	var release struct {
		Builds []struct {
			ID, Main, Binary string
			Env, Flags       []string
			Ldflags          []string
		}
		Archives []struct {
			IDs   []string `yaml:"ids"`
			Files []string
		}
		Kos   []struct{ Build string }
		Sboms []struct{ Artifacts string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../.goreleaser.yaml")), &release); err != nil {
		t.Fatal(err)
	}
	made := read(t, "../Makefile")
	const version = "-X paragon/schema/api/buildinfo.version="
	if !strings.Contains(made, version) || !strings.Contains(read(t, "../.ko.yaml"), version) {
		t.Errorf("make build or ko does not set the version by %s", version)
	}
	builds := map[string]bool{}
	for _, b := range release.Builds {
		builds[b.ID] = true
		if _, err := os.Stat(filepath.Join("..", b.Main, "main.go")); err != nil {
			t.Errorf("build %s: %v", b.ID, err)
		}
		if strings.Join(b.Env, "") != "CGO_ENABLED=0" || !strings.Contains(strings.Join(b.Ldflags, " "), version) {
			t.Errorf("build %s is not static or has no version: %v %v", b.ID, b.Env, b.Ldflags)
		}
	}
	for _, a := range release.Archives {
		for _, id := range a.IDs {
			if !builds[id] {
				t.Errorf("an archive of %s, which nothing builds", id)
			}
		}
		for _, pattern := range a.Files {
			if found, err := filepath.Glob(filepath.Join("..", pattern)); err != nil || len(found) == 0 {
				t.Errorf("an archive of %v has %s, which is nowhere", a.IDs, pattern)
			}
		}
	}
	if len(builds) != 2 || len(release.Kos) != 1 || !builds[release.Kos[0].Build] || len(release.Sboms) == 0 {
		t.Errorf("a program, the image or the SBOM is missing: %+v", release)
	}
}
