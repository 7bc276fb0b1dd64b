package backup_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installation is a server, and paragonctl's environment to reach it.
type installation struct {
	t   *testing.T
	dev *daemon.Dev
	env map[string]string
	// said is what the last command complained, or told the person.
	said string
}

func install(t *testing.T) *installation {
	t.Helper()
	d, err := daemon.StartDev(t.Context(), daemon.DevOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", FarSide: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return &installation{t: t, dev: d, env: map[string]string{"PARAGON_SERVER": "http://" + d.Addr().String(), "PARAGON_TOKEN": d.Token, "HOME": t.TempDir()}}
}

// run runs paragonctl, which is to end with a code, and returns its output.
func (i *installation) run(code int, args ...string) string {
	i.t.Helper()
	var out, complaints bytes.Buffer
	got := cli.Run(i.t.Context(), &command.Env{
		Streams: &terminal.Streams{In: strings.NewReader(""), Out: &out, Err: &complaints}, Now: time.Now, Version: "test",
		Getenv: func(name string) string { return i.env[name] },
	}, args)
	i.said = complaints.String()
	if got != code {
		i.t.Fatalf("%s ended with %d, want %d\n%s%s", strings.Join(args, " "), got, code, out.String(), i.said)
	}
	return out.String()
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const value = "hunter2-and-more"

func documents(far string) string {
	return `apiVersion: paragon/v1
kind: Secret
metadata: {name: TOKEN}
spec: {description: of the far side, value: ` + value + `}
---
apiVersion: paragon/v1
kind: Integration
metadata: {name: far}
spec: {baseUrl: "` + far + `", auth: {bearer: {token: {secret: TOKEN}}}}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: calls}
spec:
  steps:
    - {id: call, request: {integration: far, method: GET, path: /bearer}}
  output: {authenticated: "${{ steps.call.body.authenticated }}"}
---
apiVersion: paragon/v1
kind: Destination
metadata: {name: chat, labels: {team: growth}, annotations: {note: "ünïcode: yes"}}
spec:
  events: [{event: run.failed}]
  webhook: {url: "https://chat.example.org/hook"}
`
}

// What export --all writes makes an empty installation do the same: its projects
// have their settings, keys, members and resources, and a workflow that uses a
// secret runs. A restore that is done again changes nothing.
func TestRestoreOnAnEmptyInstallation(t *testing.T) {
	from, dir := install(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(dir, "docs.yaml"), documents(from.dev.FarSide))
	from.run(0, "apply", "-f", file)
	from.run(0, "member", "invite", "bob@example.org", "--role", "developer")
	from.login("ada@example.org")
	from.run(0, "project", "create", "shop")
	owner := api.New("http://"+from.dev.Addr().String(), from.dev.Token, api.WithProject("shop"))
	defer owner.Close()
	if _, err := owner.SetSettings(t.Context(), schema.ProjectSettings{Weight: 3}); err != nil {
		t.Fatal(err)
	}
	from.run(0, "--project", "shop", "apply", "-f", file)
	from.run(0, "--project", "shop", "user", "key", "set", "k1", write(t, filepath.Join(dir, "k1.pem"), publicKey(t)))

	saved := filepath.Join(dir, "saved")
	from.run(2, "export", "--all")
	from.run(6, "export", "--all", "--dir", filepath.Join(dir, "refused"), "--secrets-for", "age1nobody")
	exported := from.run(0, "export", "--all", "--dir", saved, "--secrets-for", identity.Recipient().String())
	for _, want := range []string{"project/default exported", "default/secret/TOKEN exported", "shop/workflow/calls exported"} {
		if !strings.Contains(exported, want) {
			t.Errorf("export says nothing of %q:\n%s", want, exported)
		}
	}
	from.run(1, "export", "--all", "--dir", saved)
	for _, kind := range schema.Kinds {
		if !strings.Contains(exported, "shop/"+strings.ToLower(string(kind))+"/") {
			t.Errorf("no document of kind %s is exported: what is added to the kinds belongs into this test", kind)
		}
	}
	everyFile(t, saved, func(path, text string) {
		if strings.Contains(text, value) {
			t.Errorf("%s holds the value of a secret", path)
		}
	})
	if log := from.run(0, "audit", "list", "-o", "jsonl"); !strings.Contains(log, "export-secrets") || !strings.Contains(log, identity.Recipient().String()) {
		t.Errorf("the audit log does not tell who had the secrets:\n%s", log)
	}

	to := install(t)
	to.run(6, "restore", saved) // without the identity
	if left := to.run(0, "get", "workflows", "-o", "name"); left != "" {
		t.Errorf("a restore that failed left %q", left)
	}
	to.env["PARAGON_AGE_KEY"] = identity.String()
	restored := to.run(0, "restore", saved)
	for _, want := range []string{"project/shop created", "default/workflow/calls created", "shop/settings configured", "shop/user-key/k1 configured", "default/member/bob@example.org invited"} {
		if !strings.Contains(restored, want) {
			t.Errorf("restore says nothing of %q:\n%s", want, restored)
		}
	}
	key := regexp.MustCompile(`project shop's owner, shown this once: (\S+)`).FindStringSubmatch(to.said)
	if key == nil || !strings.Contains(to.said, "The invitation of ada@example.org to project shop as owner") {
		t.Fatalf("restore tells of no key or no invitation:\n%s", to.said)
	}
	for project, token := range map[string]string{"default": to.env["PARAGON_TOKEN"], "shop": key[1]} {
		to.env["PARAGON_TOKEN"] = token
		if out := to.run(0, "--project", project, "trigger", "calls", "--wait"); !strings.Contains(out, `"authenticated": true`) {
			t.Errorf("project %s: the restored workflow says %s", project, out)
		}
		to.run(0, "--project", project, "diff", "-f", filepath.Join(saved, project, "resources"))
	}
	to.env["PARAGON_TOKEN"] = to.dev.Token
	again := to.run(5, "restore", saved) // shop is there, and this key is not for it
	if strings.Contains(again, "created") || !strings.Contains(again, "default/workflow/calls unchanged") {
		t.Errorf("the second restore says\n%s", again)
	}
	to.run(0, "apply", "-f", write(t, filepath.Join(dir, "other.yaml"), strings.Replace(documents(from.dev.FarSide), "/bearer", "/other", 1)))
	to.run(2, "restore", saved) // nobody can be asked whether to replace it
}

// Only an owner has the values.
func TestSecretsAreForOwners(t *testing.T) {
	i := install(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	i.run(0, "apply", "-f", write(t, filepath.Join(t.TempDir(), "docs.yaml"), documents(i.dev.FarSide)))
	i.env["PARAGON_TOKEN"] = strings.TrimSpace(i.run(0, "key", "create", "backup", "--role", "admin"))
	i.run(4, "export", "secret", "--secrets-for", identity.Recipient().String())
	if out := i.run(0, "export", "secret"); !strings.Contains(out, "env: TOKEN") || strings.Contains(out, value) {
		t.Errorf("an admin exports %s", out)
	}
}

// A backup that is not what export wrote is refused as a whole, by file.
func TestRestoreRefuses(t *testing.T) {
	i := install(t)
	for name, c := range map[string]struct{ file, text, says string }{
		"nothing":           {"notes.txt", "", "there is no backup in"},
		"another format":    {"default/project.json", `{"format": "paragon-project/v9", "name": "default", "settings": {}}`, "this version reads"},
		"another name":      {"default/project.json", `{"format": "paragon-project/v1", "name": "shop", "settings": {}}`, "lies in the directory"},
		"unknown fields":    {"default/project.json", `{"format": "paragon-project/v1", "name": "default", "more": 1}`, "unknown field"},
		"a torn file":       {"default/project.json", `{"format": "paragon-project/v1", "na`, "it is not what export --all writes"},
		"a broken document": {"default/resources/workflow-a.yaml", "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: a}\nspec: {stepz: []}\n", "stepz"},
	} {
		t.Run(name, func(t *testing.T) {
			i.t = t
			dir := t.TempDir()
			path := filepath.Join(dir, filepath.FromSlash(c.file))
			if err := os.MkdirAll(filepath.Join(dir, "default", "resources"), 0o700); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(c.file, ".yaml") {
				write(t, filepath.Join(dir, "default", "project.json"), `{"format": "paragon-project/v1", "name": "default", "settings": {}}`)
			}
			write(t, path, c.text)
			if i.run(6, "restore", dir); !strings.Contains(i.said, c.says) {
				t.Errorf("it says %s", i.said)
			}
		})
	}
}

// login makes a person an owner of project default, and goes on as them.
func (i *installation) login(email string) {
	i.t.Helper()
	token := strings.TrimSpace(i.run(0, "member", "invite", email, "--role", "owner"))
	c := api.New("http://"+i.dev.Addr().String(), "")
	defer c.Close()
	session, err := c.Accept(i.t.Context(), api.AcceptRequest{Token: token, Name: "Ada", Password: "a long pass phrase"})
	if err != nil {
		i.t.Fatal(err)
	}
	i.env["PARAGON_TOKEN"] = session.Token
}

func everyFile(t *testing.T, dir string, do func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		do(path, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func publicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
