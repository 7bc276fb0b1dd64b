// Package paragon_test checks the plan of the house: which room may import
// which, where a library may be used, and that each room says what it is for.
package paragon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// plan lists the rooms from the ground up, each with the rooms of the house
// that it may import. A room below a listed one (engine/store/postgres) may
// import what its parent may, its parent, and its siblings below it. Tests may
// import anything.
var plan = []struct {
	room string
	may  []string
}{
	{"schema", nil},
	{"schema/api", []string{"schema"}},
	{"workflows/function", nil},
	{"workflows", []string{"schema", "workflows/function"}},
	{"workflows/interpret", []string{"schema", "workflows"}},
	{"workflows/trial", []string{"schema", "workflows", "workflows/interpret", "workflows/function", "workflows/exchange", "workflows/steps"}},
	{"engine/batch", nil},
	{"engine/seal", nil},
	{"engine/servicetest", nil},
	{"engine/tracing", nil},
	{"engine/record", []string{"schema"}},
	{"engine/payload", []string{"schema"}},
	{"workflows/exchange", []string{"schema"}},
	{"workflows/token", []string{"workflows/exchange"}},
	{"workflows/steps", []string{"schema", "workflows", "workflows/function", "workflows/exchange", "workflows/token"}},
	{"engine/outbound", []string{"workflows/exchange"}},
	{"engine/store", []string{"schema"}},
	{"engine/queue", []string{"schema"}},
	{"engine/cache", []string{"schema", "workflows", "engine/seal", "engine/store"}},
	{"engine/identity", nil},
	{"engine/config", []string{"schema", "schema/api", "workflows", "engine/seal", "engine/store", "engine/cache", "engine/identity"}},
	{"engine/logs", []string{"schema", "engine/batch", "engine/payload", "engine/queue", "engine/record", "engine/store"}},
	{"engine/stats", []string{"schema", "schema/api", "engine/queue"}},
	{"engine/metrics", []string{"schema", "schema/api", "engine/destination", "engine/logs", "engine/payload", "engine/stats"}},
	{"engine/execution", []string{"schema", "schema/api", "workflows", "workflows/interpret", "engine/batch", "engine/seal",
		"engine/store", "engine/queue", "engine/record", "engine/payload", "workflows/steps", "engine/cache", "engine/logs", "engine/notice", "engine/stats", "engine/tracing"}},
	{"engine/schedule", []string{"schema", "workflows", "workflows/interpret", "engine/cache", "engine/execution", "engine/connect"}},
	{"engine/notice", []string{"engine/queue"}},
	{"engine/destination", []string{"schema", "schema/api", "workflows", "workflows/exchange", "engine/cache", "engine/logs", "engine/notice", "engine/queue", "engine/store"}},
	{"engine/connect", []string{"schema", "schema/api", "workflows", "workflows/exchange", "workflows/token", "engine/seal", "engine/store", "engine/cache", "engine/outbound", "engine/queue"}},
	{"engine/connect/proxy", []string{"schema", "workflows/exchange", "engine/connect", "engine/queue", "engine/record", "engine/logs", "engine/stats"}},
	{"engine/connect/proxy/later", []string{"schema", "schema/api", "workflows", "workflows/exchange", "workflows/steps", "engine/connect/proxy"}},
	{"engine/httpapi", []string{"schema", "schema/api", "workflows", "engine/store", "engine/cache", "engine/config", "engine/execution", "engine/stats", "engine/connect", "engine/connect/proxy", "engine/connect/proxy/later", "engine/tracing"}},
	{"engine/daemon", []string{"schema", "schema/api", "workflows", "workflows/function", "workflows/exchange", "workflows/steps", "engine"}},
	{"engine/bench", []string{"schema", "schema/api", "workflows", "engine"}},
	{"engine/chaos", []string{"schema", "schema/api", "workflows", "engine"}},
	{"docs/gen", []string{"schema", "workflows", "engine/metrics"}},
	{"docs/licences", nil},
	{"docs/screens", []string{"schema", "schema/api", "tui"}},
	{"tui", []string{"schema", "schema/api"}},
	{"cmd/paragond", []string{"schema", "schema/api", "engine"}},
	{"cmd/paragonctl", []string{"schema", "schema/api", "workflows", "workflows/function", "workflows/trial", "tui"}},
}

// only lists libraries with the rooms that alone may import them.
var only = map[string][]string{
	"github.com/hibiken/asynq":        {"engine/queue"},
	"gopkg.in/yaml.v3":                {"workflows"},
	"github.com/alicebob/miniredis":   {"engine/daemon/embedded"},
	"github.com/jackc/pgx":            {"engine/store"},
	"modernc.org/sqlite":              {"engine/store"},
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/charmbracelet":        {"tui", "cmd/paragonctl"},
	"charm.land/bubbletea":            {"tui", "cmd/paragonctl/dash"},
	"github.com/coreos/go-oidc":       {"engine/identity"},
	"github.com/wneessen/go-mail":     {"engine/destination"},
	"github.com/tink-crypto":          {"engine/seal"},
	"filippo.io/age":                  {"engine/seal", "cmd/paragonctl"},
	"github.com/prometheus":           {"engine/metrics"},
	"go.opentelemetry.io":             {"engine/tracing"},
	"github.com/mccutchen/go-httpbin": {"engine/daemon/embedded"},
	"github.com/minio/minio-go":       {"engine/payload"},
}

// clients may not even indirectly reach a database, Redis or the engine.
var clients = []string{"paragon/cmd/paragonctl", "paragon/tui"}

type goPackage struct {
	ImportPath, Dir, Doc        string
	Imports, Deps, GoFiles      []string
	TestGoFiles, IgnoredGoFiles []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,Deps,GoFiles", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
}

// within tells whether a package is a room or below it.
func within(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

// roomOf is the most specific room of the plan that a package is in.
func roomOf(pkg string) int {
	best := -1
	for i, r := range plan {
		if within(pkg, r.room) && (best < 0 || len(r.room) > len(plan[best].room)) {
			best = i
		}
	}
	return best
}

func TestImportsRunDownward(t *testing.T) {
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, "paragon/")
		i := roomOf(pkg)
		if i < 0 {
			t.Errorf("%s is in no room of the plan: add the room to house_test.go and docs/architecture.md, or move the package", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			dep, ours := strings.CutPrefix(imp, "paragon/")
			if !ours || within(dep, plan[i].room) {
				continue
			}
			if !slices.ContainsFunc(plan[i].may, func(m string) bool {
				return m == dep || within(dep, m) && roomOf(dep) == roomOf(m) || m == "engine" && within(dep, "engine")
			}) {
				t.Errorf("%s imports %s: the plan lets %s import only %s", p.ImportPath, imp, plan[i].room, strings.Join(plan[i].may, ", "))
			}
		}
	}
}

func TestLibrariesStayInTheirRoom(t *testing.T) {
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, "paragon/")
		if strings.HasSuffix(pkg, "test") {
			continue // what only tests import
		}
		for _, imp := range p.Imports {
			for lib, rooms := range only {
				if within(imp, lib) && !slices.ContainsFunc(rooms, func(r string) bool { return within(pkg, r) }) {
					t.Errorf("%s imports %s, which only %s may", p.ImportPath, imp, strings.Join(rooms, ", "))
				}
			}
		}
	}
}

func TestClientsReachNoServerParts(t *testing.T) {
	forbidden := []string{"paragon/engine", "github.com/redis/go-redis", "github.com/hibiken/asynq", "github.com/jackc/pgx", "modernc.org/sqlite"}
	for _, p := range packages(t) {
		if !slices.ContainsFunc(clients, func(c string) bool { return within(p.ImportPath, c) }) {
			continue
		}
		for _, dep := range p.Deps {
			if slices.ContainsFunc(forbidden, func(f string) bool { return dep == f || strings.HasPrefix(dep, f+"/") || strings.HasPrefix(dep, f+".") }) {
				t.Errorf("%s reaches %s: a client speaks to the server's API only", p.ImportPath, dep)
			}
		}
	}
}

func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.Doc) < 20 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
	for _, r := range plan {
		file := "doc.go"
		if strings.HasPrefix(r.room, "cmd/") {
			file = "main.go"
		}
		path := filepath.Join(filepath.FromSlash(r.room), file)
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			continue // a room of the design that nothing stands in yet
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil || f.Doc == nil {
			t.Errorf("%s does not say what the room is for (%v)", path, err)
		}
	}
}
