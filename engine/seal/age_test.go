package seal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

func TestAgeMaster(t *testing.T) {
	ctx := context.Background()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.txt")
	text := "# created: 2026-05-01T12:00:00Z\n# public key: " + id.Recipient().String() + "\n" + id.String() + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadKeyring(Source{File: file})
	if err != nil {
		t.Fatal(err)
	}
	key, wrapped := testDataKey(t, keys, "p")
	sealed, err := key.Seal([]byte("value"), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.DataKey(ctx, "q", wrapped); !errors.Is(err, ErrOpen) {
		t.Errorf("for another project: %v", err)
	}

	// From age to a key in memory, and what was sealed before still opens.
	local := testMaster(t, 2)
	age2, err := NewAgeMaster(id.String())
	if err != nil {
		t.Fatal(err)
	}
	rewrapped, changed, err := NewKeyring(local, age2).Rewrap(ctx, "p", wrapped)
	if err != nil || !changed {
		t.Fatalf("rewrap: %t, %v", changed, err)
	}
	again, err := NewKeyring(local).DataKey(ctx, "p", rewrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(sealed, "x"); err != nil || string(plain) != "value" {
		t.Errorf("after the rotation: %q, %v", plain, err)
	}
}

// Who only has the recipient can encrypt for it, and must not be able to put a
// data key of his own in place.
func TestAgeMasterRefusesStrangersKeys(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewAgeMaster(id.String())
	if err != nil {
		t.Fatal(err)
	}
	var forged bytes.Buffer
	w, err := age.Encrypt(&forged, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Open(context.Background(), forged.Bytes(), []byte("a")); !errors.Is(err, ErrOpen) {
		t.Errorf("a stranger's data key: %v", err)
	}
	_, err = ParseKeys("AGE-SECRET-KEY-1NONSENSE")
	if err == nil || strings.Contains(err.Error(), "NONSENSE") || !strings.Contains(err.Error(), "age-keygen") {
		t.Errorf("a broken identity: %v", err)
	}
}

func TestDataKeyRotation(t *testing.T) {
	ctx := context.Background()
	keys := NewKeyring(testMaster(t, 1))
	old, wrapped := testDataKey(t, keys, "p")
	before, _ := old.Seal([]byte("before"), "x")

	added, err := keys.AddDataKey(ctx, "p", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	between, err := keys.DataKey(ctx, "p", added)
	if err != nil {
		t.Fatal(err)
	}
	mid, _ := between.Seal([]byte("mid"), "x")
	if plain, err := old.Open(mid, "x"); err != nil || string(plain) != "mid" {
		t.Errorf("a key that was only added seals already: %q, %v", plain, err)
	}

	promoted, err := keys.PromoteDataKey(ctx, "p", added)
	if err != nil {
		t.Fatal(err)
	}
	next, err := keys.DataKey(ctx, "p", promoted)
	if err != nil {
		t.Fatal(err)
	}
	after, _ := next.Seal([]byte("after"), "x")
	if _, err := old.Open(after, "x"); !errors.Is(err, ErrOpen) {
		t.Errorf("the old key opens what the new one sealed: %v", err)
	}
	for name, k := range map[string]*DataKey{"added": between, "promoted": next} {
		for want, sealed := range map[string][]byte{"before": before, "mid": mid, "after": after} {
			if plain, err := k.Open(sealed, "x"); err != nil || string(plain) != want {
				t.Errorf("%s: %q, %v; want %q", name, plain, err, want)
			}
		}
	}
	if next.Digest([]byte("v"), "x") == old.Digest([]byte("v"), "x") {
		t.Error("the digest is that of the old key")
	}
	if _, err := keys.PromoteDataKey(ctx, "p", wrapped); err == nil {
		t.Error("a single key was promoted")
	}
}
