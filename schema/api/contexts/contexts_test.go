package contexts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestPathPrecedence(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"explicit", map[string]string{"PARAGON_CONFIG": "/x/c.json", "XDG_CONFIG_HOME": "/y", "HOME": "/h"}, "/x/c.json"},
		{"xdg", map[string]string{"XDG_CONFIG_HOME": "/y", "HOME": "/h"}, "/y/paragon/config.json"},
		{"relative xdg is ignored", map[string]string{"XDG_CONFIG_HOME": "y", "HOME": "/h"}, "/h/.config/paragon/config.json"},
		{"home", map[string]string{"HOME": "/h"}, "/h/.config/paragon/config.json"},
	}
	for _, tt := range tests {
		got, err := Path(func(k string) string { return tt.env[k] })
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := Path(func(string) string { return "" }); err == nil {
		t.Error("no home: no error")
	}
}

func TestSetKeepsTheOthersAndTheMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "config.json")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := Set(path, fmt.Sprintf("c%d", i), Context{Server: "http://s", Token: "t"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Contexts) != 20 || f.Current == "" {
		t.Errorf("%d contexts, current %q; want 20 and one of them", len(f.Contexts), f.Current)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".config-*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSetTightensALooseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"contexts":{}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Set(path, "dev", Context{Server: "http://s"}); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(path)
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
}

func TestABrokenFileIsKeptAndNotQuoted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	const text = `{"contexts": {"dev": {"token": "pgn_secret" x`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Set(path, "dev", Context{})
	if err == nil || strings.Contains(err.Error(), "pgn_secret") {
		t.Errorf("error %v", err)
	}
	if now, _ := os.ReadFile(path); string(now) != text {
		t.Error("the broken file was changed")
	}
}

func TestSymlinkStays(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "config.json")
	if err := os.WriteFile(real, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := Set(link, "dev", Context{Server: "http://s"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
}

func TestCheckName(t *testing.T) {
	for _, bad := range []string{"", "a b", "a/b", "a\n", strings.Repeat("a", 64)} {
		if CheckName(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
	if err := CheckName("prod-eu_1.x"); err != nil {
		t.Error(err)
	}
}
