package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"paragon/engine/servicetest"
)

// A certificate that is replaced is used without a restart; one that can't be
// used is not.
func TestACertificateIsReplaced(t *testing.T) {
	first, second := servicetest.NewCertificate(t), servicetest.NewCertificate(t)
	var log bytes.Buffer
	c, err := NewCertificate(first.Cert, first.Key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	c.now = func() time.Time { at = at.Add(recheck); return at }
	replace := func(file, by string) {
		t.Helper()
		raw, err := os.ReadFile(by)
		if err == nil {
			err = os.WriteFile(file, raw, 0o600)
		}
		if err == nil {
			err = os.Chtimes(file, at, at) // some disks tell time in steps
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	serves := func(want *servicetest.Certificate) {
		t.Helper()
		if got := c.get().Leaf.SerialNumber; got.Cmp(want.Serial) != 0 {
			t.Errorf("serves certificate %v; want %v", got, want.Serial)
		}
	}
	serves(first)
	replace(first.Cert, second.Cert) // not yet its key
	serves(first)
	if !strings.Contains(log.String(), "the one before stays") {
		t.Errorf("the log says: %s", &log)
	}
	replace(first.Key, second.Key)
	serves(second)
	if err := os.Remove(first.Key); err != nil {
		t.Fatal(err)
	}
	serves(second)
	if _, err := NewCertificate(second.Cert, second.CA, slog.Default()); err == nil {
		t.Error("a key that is none is taken")
	}
}
