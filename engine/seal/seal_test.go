package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testMaster(t testing.TB, b byte) Master {
	t.Helper()
	m, err := NewLocalMaster(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func testDataKey(t testing.TB, k *Keyring, project string) (*DataKey, []byte) {
	t.Helper()
	wrapped, err := k.NewDataKey(context.Background(), project)
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.DataKey(context.Background(), project, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return key, wrapped
}

func TestValueOpensAtItsPlaceOnly(t *testing.T) {
	k := NewKeyring(testMaster(t, 1))
	key, _ := testDataKey(t, k, "default")
	other, _ := testDataKey(t, k, "default")
	sealed, err := key.Seal([]byte("hunter2"), "Secret", "TOKEN")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatal("the value is in the clear")
	}
	if plain, err := key.Open(sealed, "Secret", "TOKEN"); err != nil || string(plain) != "hunter2" {
		t.Fatalf("open: %q, %v", plain, err)
	}
	again, _ := key.Seal([]byte("hunter2"), "Secret", "TOKEN")
	if bytes.Equal(sealed, again) {
		t.Error("the same value twice has the same bytes")
	}
	for name, open := range map[string]func() ([]byte, error){
		"another name":         func() ([]byte, error) { return key.Open(sealed, "Secret", "OTHER") },
		"another kind":         func() ([]byte, error) { return key.Open(sealed, "Token", "TOKEN") },
		"the place in one":     func() ([]byte, error) { return key.Open(sealed, "SecretTOKEN") },
		"the place cut before": func() ([]byte, error) { return key.Open(sealed, "SecretT", "OKEN") },
		"another key":          func() ([]byte, error) { return other.Open(sealed, "Secret", "TOKEN") },
		"nothing":              func() ([]byte, error) { return key.Open(nil, "Secret", "TOKEN") },
		"a format to come":     func() ([]byte, error) { return key.Open(append([]byte{9}, sealed[1:]...), "Secret", "TOKEN") },
		"cut off":              func() ([]byte, error) { return key.Open(sealed[:len(sealed)-1], "Secret", "TOKEN") },
		"a bit turned over": func() ([]byte, error) {
			c := bytes.Clone(sealed)
			c[len(c)/2] ^= 1
			return key.Open(c, "Secret", "TOKEN")
		},
	} {
		if plain, err := open(); !errors.Is(err, ErrOpen) || plain != nil {
			t.Errorf("%s: opened to %q, %v", name, plain, err)
		}
	}
}

func TestDigestIsKeyedAndBound(t *testing.T) {
	k := NewKeyring(testMaster(t, 1))
	a, _ := testDataKey(t, k, "a")
	b, _ := testDataKey(t, k, "b")
	first, second := a.Digest([]byte("v"), "Secret", "X"), a.Digest([]byte("v"), "Secret", "X")
	if first != second {
		t.Error("a digest is not the same twice")
	}
	seen := map[string]string{}
	for name, d := range map[string]string{
		"base": a.Digest([]byte("v"), "Secret", "X"), "value": a.Digest([]byte("w"), "Secret", "X"),
		"name": a.Digest([]byte("v"), "Secret", "Y"), "project": b.Digest([]byte("v"), "Secret", "X"),
	} {
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[d] = name
	}
}

func TestMasterKeyRotation(t *testing.T) {
	ctx := context.Background()
	old, next := testMaster(t, 1), testMaster(t, 2)
	key, wrapped := testDataKey(t, NewKeyring(old), "p")
	sealed, _ := key.Seal([]byte("value"), "x")

	both := NewKeyring(next, old)
	rewrapped, changed, err := both.Rewrap(ctx, "p", wrapped)
	if err != nil || !changed {
		t.Fatalf("rewrap: changed %v, %v", changed, err)
	}
	if _, changed, err := both.Rewrap(ctx, "p", rewrapped); err != nil || changed {
		t.Errorf("the second rewrap: changed %v, %v", changed, err)
	}
	after, err := NewKeyring(next).DataKey(ctx, "p", rewrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := after.Open(sealed, "x"); err != nil || string(plain) != "value" {
		t.Errorf("after the rotation: %q, %v", plain, err)
	}
	if _, err := NewKeyring(next).DataKey(ctx, "p", wrapped); err == nil || !strings.Contains(err.Error(), "not configured") {
		t.Errorf("without the old key: %v", err)
	}
	if _, err := both.DataKey(ctx, "q", wrapped); !errors.Is(err, ErrOpen) {
		t.Errorf("for another project: %v", err)
	}
	for n := range len(wrapped) {
		if _, err := both.DataKey(ctx, "p", wrapped[:n]); err == nil {
			t.Errorf("cut to %d bytes it opens", n)
		}
	}
}

func TestLoadKeyring(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte("# comment\n"+good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(m map[string]string) func(string) string { return func(k string) string { return m[k] } }
	for name, tc := range map[string]struct {
		src  Source
		want string // in the error
	}{
		"file":              {src: Source{File: file, Getenv: env(nil)}},
		"environment":       {src: Source{Getenv: env(map[string]string{EnvMasterKey: good})}},
		"file of env":       {src: Source{Getenv: env(map[string]string{EnvMasterKeyFile: file})}},
		"unpadded":          {src: Source{Getenv: env(map[string]string{EnvMasterKey: strings.TrimRight(good, "=")})}},
		"two":               {src: Source{Getenv: env(map[string]string{EnvMasterKey: good + "," + strings.Repeat("ab", 32)})}},
		"none":              {src: Source{Getenv: env(nil)}, want: "no master key"},
		"short":             {src: Source{Getenv: env(map[string]string{EnvMasterKey: "c2hvcnQ="})}, want: "master key 1: it is not 32 bytes"},
		"second bad":        {src: Source{Getenv: env(map[string]string{EnvMasterKey: good + ",x"})}, want: "master key 2"},
		"no such file":      {src: Source{File: filepath.Join(dir, "none"), Getenv: env(nil)}, want: "read master key"},
		"generated":         {src: Source{File: filepath.Join(dir, "sub", "new"), Generate: true, Getenv: env(nil)}},
		"generated not env": {src: Source{Generate: true, Getenv: env(map[string]string{EnvMasterKeyFile: filepath.Join(dir, "absent")})}, want: "read master key"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := LoadKeyring(tc.src)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("got error %v, want %q", err, tc.want)
				}
				if strings.Contains(err.Error(), "c2hvcnQ") {
					t.Error("the error shows the key")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			key, _ := testDataKey(t, k, "p")
			if _, err := key.Seal([]byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	info, err := os.Stat(filepath.Join(dir, "sub", "new"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the generated file: %v, %v", info.Mode(), err)
	}
	a, err := LoadKeyring(Source{File: filepath.Join(dir, "sub", "new"), Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := LoadKeyring(Source{File: filepath.Join(dir, "sub", "new"), Generate: true})
	if a.primary.ID() != b.primary.ID() {
		t.Error("a second start made another key")
	}
}
