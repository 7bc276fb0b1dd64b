package payload_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"pgregory.net/rapid"

	"paragon/engine/execution"
	"paragon/engine/payload"
	"paragon/engine/servicetest"
)

var day = time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)

// value is n bytes that no compression or sameness helps with.
func value(n int, seed int64) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

func s3Bucket(t *testing.T, s *servicetest.S3, prefix string) payload.Bucket {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	b, err := payload.OpenS3(payload.S3Options{
		Endpoint: s.Endpoint, Insecure: true, Region: "us-east-1", Bucket: s.Bucket, Prefix: prefix,
		Credentials: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func onEachBucket(t *testing.T, do func(t *testing.T, b payload.Bucket)) {
	t.Run("dir", func(t *testing.T) {
		b, err := payload.OpenDir(filepath.Join(t.TempDir(), "payloads"))
		if err != nil {
			t.Fatal(err)
		}
		do(t, b)
	})
	t.Run("s3", func(t *testing.T) { do(t, s3Bucket(t, servicetest.StartS3(t), "")) })
	t.Run("s3 with a prefix", func(t *testing.T) { do(t, s3Bucket(t, servicetest.StartS3(t), "/team/paragon")) })
}

func TestAValueComesBackAsItWas(t *testing.T) {
	onEachBucket(t, func(t *testing.T, b payload.Bucket) {
		s := payload.New(b)
		run := execution.NewRunID(day, 3)
		for _, size := range []int{payload.Above + 1, 5 << 20} {
			want := value(size, 1)
			ref, err := s.Keep(t.Context(), "default", run, want)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := s.Keep(t.Context(), "default", run, want); err != nil || again != ref {
				t.Errorf("kept again it is %s (%v), not %s", again, err, ref)
			}
			got, err := s.Resolve(t.Context(), "default", []byte(ref))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back (%v); want the %d that were kept", len(got), err, size)
			}
			if _, err := s.Fetch(t.Context(), "another", ref); !errors.Is(err, payload.ErrMissing) {
				t.Errorf("another project's value: %v; want ErrMissing", err)
			}
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestABucketListsAndForgets(t *testing.T) {
	onEachBucket(t, func(t *testing.T, b payload.Bucket) {
		ctx := t.Context()
		for _, key := range []string{"shop/2026-11-27/a", "shop/2026-11-27/b", "shop/2026-11-28/c", "default/2026-11-28/d"} {
			if err := b.Put(ctx, key, []byte(key)); err != nil {
				t.Fatal(err)
			}
		}
		folders := func(prefix string) (names []string) {
			t.Helper()
			if err := b.Folders(ctx, prefix, func(name string) error { names = append(names, name); return nil }); err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			return names
		}
		if got := folders(""); !slices.Equal(got, []string{"default", "shop"}) {
			t.Errorf("the projects are %v", got)
		}
		if got := folders("shop/"); !slices.Equal(got, []string{"2026-11-27", "2026-11-28"}) {
			t.Errorf("the days are %v", got)
		}
		if got := folders("nobody/"); got != nil {
			t.Errorf("a folder that does not exist has %v", got)
		}
		var names []string
		err := b.List(ctx, "shop/2026-11-27/", func(name string, written time.Time) error {
			if since := time.Since(written); since < -time.Minute || since > time.Hour {
				t.Errorf("%s was written %v ago", name, since)
			}
			names = append(names, name)
			return nil
		})
		if slices.Sort(names); err != nil || !slices.Equal(names, []string{"a", "b"}) {
			t.Errorf("the day has %v (%v)", names, err)
		}
		for range 2 { // also what is gone
			if err := b.Delete(ctx, "shop/2026-11-27/a"); err != nil {
				t.Error(err)
			}
		}
		if _, err := b.Get(ctx, "shop/2026-11-27/a", 100); !errors.Is(err, payload.ErrMissing) {
			t.Errorf("a deleted object: %v; want ErrMissing", err)
		}
		if _, err := b.Size(ctx, "shop/2026-11-27/a"); !errors.Is(err, payload.ErrMissing) {
			t.Errorf("the size of a deleted object: %v; want ErrMissing", err)
		}
		if _, err := b.Get(ctx, "shop/2026-11-27/b", 3); !errors.Is(err, payload.ErrDamaged) {
			t.Errorf("an object that is larger than asked for: %v; want ErrDamaged", err)
		}
	})
}

func TestBadBytesAreFound(t *testing.T) {
	onEachBucket(t, func(t *testing.T, b payload.Bucket) {
		s := payload.New(b)
		run := execution.NewRunID(day, 0)
		good := value(payload.Above+1, 2)
		ref, err := s.Keep(t.Context(), "default", run, good)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(good)
		flipped[len(good)/2] ^= 1
		for name, bad := range map[string][]byte{"a flipped bit": flipped, "a missing end": good[:len(good)-1], "more than there was": append(bytes.Clone(good), 0)} {
			key := "default/2026-11-28/" + ref.Digest()
			if err := b.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if err := b.Put(t.Context(), key, bad); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Fetch(t.Context(), "default", ref); !errors.Is(err, payload.ErrDamaged) {
				t.Errorf("%s: %v; want ErrDamaged", name, err)
			}
		}
		// A value of another size is not taken for one that is there already.
		if err := b.Put(t.Context(), "default/2026-11-28/"+ref.Digest(), good[1:]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Keep(t.Context(), "default", run, good); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Fetch(t.Context(), "default", ref); err != nil || !bytes.Equal(got, good) {
			t.Errorf("kept again, it is not mended: %v", err)
		}
	})
}

func TestSameValuesAreWrittenOnce(t *testing.T) {
	server := servicetest.StartS3(t)
	s := payload.New(s3Bucket(t, server, ""))
	for i := range 10 {
		if _, err := s.Keep(t.Context(), "default", execution.NewRunID(day.Add(time.Duration(i)*time.Minute), i), value(payload.Above+1, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Puts(); n != 1 {
		t.Errorf("ten runs of a day with one value wrote %d objects; want 1", n)
	}
}

func TestStorageThatIsAway(t *testing.T) {
	server := servicetest.StartS3(t)
	s := payload.New(s3Bucket(t, server, ""))
	run := execution.NewRunID(day, 0)
	ref, err := s.Keep(t.Context(), "default", run, value(payload.Above+1, 4))
	if err != nil {
		t.Fatal(err)
	}
	server.Cut(true)
	if _, err := s.Keep(t.Context(), "default", run, value(payload.Above+1, 5)); !errors.Is(err, payload.ErrUnavailable) {
		t.Errorf("keep: %v; want ErrUnavailable", err)
	}
	if _, err := s.Fetch(t.Context(), "default", ref); !errors.Is(err, payload.ErrUnavailable) {
		t.Errorf("fetch: %v; want ErrUnavailable", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, payload.ErrUnavailable) {
		t.Errorf("ping: %v; want ErrUnavailable", err)
	}
	server.Cut(false)
	if _, err := s.Fetch(t.Context(), "default", ref); err != nil {
		t.Errorf("once it is back: %v", err)
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	server := servicetest.StartS3(t)
	server.SecretKey = "another"
	s := payload.New(s3Bucket(t, server, ""))
	_, err := s.Keep(t.Context(), "default", execution.NewRunID(day, 0), value(payload.Above+1, 6))
	if !errors.Is(err, payload.ErrUnavailable) || !strings.Contains(err.Error(), "ignature") && !strings.Contains(err.Error(), "ccess") {
		t.Errorf("signed with another secret: %v; want a refusal that says so", err)
	}
}

func TestWithoutStorage(t *testing.T) {
	var none *payload.Store
	if none.Takes(payload.Max) {
		t.Error("where there is no storage nothing is kept there")
	}
	if got, err := none.Resolve(t.Context(), "default", []byte(`{"a":1}`)); err != nil || string(got) != `{"a":1}` {
		t.Errorf("a value that is there itself became %s (%v)", got, err)
	}
	ref := "@2026-11-28/" + strings.Repeat("0a", 32) + "/300000"
	if _, err := none.Resolve(t.Context(), "default", []byte(ref)); !errors.Is(err, payload.ErrUnavailable) || !strings.Contains(err.Error(), "--payloads") {
		t.Errorf("a reference: %v; want ErrUnavailable that names the flag", err)
	}
}

func TestAReferenceIsNeverAWayOut(t *testing.T) {
	b, err := payload.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := payload.New(b)
	for _, ref := range []string{
		"@../../../etc/passwd/0000000000000000000000000000000000000000000000000000000000000000/300000",
		"@2026-11-28/../../etc/passwd000000000000000000000000000000000000000000000000/10",
		"@2026-11-28/" + strings.Repeat("0a", 32) + "/-1",
		"@2026-11-28/" + strings.Repeat("0a", 32) + "/99999999999",
		"@2026-13-28/" + strings.Repeat("0a", 32) + "/300000",
	} {
		if _, err := s.Fetch(t.Context(), "default", payload.Ref(ref)); !errors.Is(err, payload.ErrDamaged) {
			t.Errorf("%s: %v; want ErrDamaged", ref, err)
		}
	}
}

func TestAWriteThatIsCutOffIsNoValue(t *testing.T) {
	root := t.TempDir()
	b, err := payload.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	s := payload.New(b)
	want := value(payload.Above+1, 7)
	ref, err := s.Keep(t.Context(), "default", execution.NewRunID(day, 0), want)
	if err != nil {
		t.Fatal(err)
	}
	object := filepath.Join(root, "default", "2026-11-28", ref.Digest())
	if err := os.Rename(object, object+".123.partial"); err != nil { // as a kill before the rename leaves it
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), "default", ref); !errors.Is(err, payload.ErrMissing) {
		t.Errorf("%v; want ErrMissing", err)
	}
	var left []string
	if err := b.List(t.Context(), "default/2026-11-28/", func(name string, _ time.Time) error { left = append(left, name); return nil }); err != nil || len(left) != 1 {
		t.Errorf("what was cut off is not listed, so that it could be removed: %v (%v)", left, err)
	}
}

func TestNoValueIsTakenForAReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{`"`, "{", "[", "1", "-", "t", "n", " ", "\n", "\x01"}).Draw(t, "begin") + rapid.StringN(0, 200, -1).Draw(t, "rest")
		if ref, ok := payload.AsRef(text); ok {
			t.Fatalf("%q is taken for %s", text, ref)
		}
	})
}

func TestAddresses(t *testing.T) {
	ctx := context.Background()
	root := t.TempDir()
	s, err := payload.Open("dir:" + root)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
	if _, err := payload.Open("s3://bucket/prefix?endpoint=http://127.0.0.1:1&region=eu-central-1"); err != nil {
		t.Error(err)
	}
	for address, says := range map[string]string{
		"":                                       "neither",
		"/var/lib":                               "neither",
		"gs://bucket":                            "neither",
		"dir:":                                   "no directory",
		"dir://host/path":                        "no directory",
		"s3://":                                  "s3://bucket",
		"s3://key:secret@bucket":                 "AWS_ACCESS_KEY_ID",
		"s3://bucket?endpoint=minio:9000":        "address of a server",
		"s3://bucket?endpoint=https://m/path":    "address of a server",
		"s3://bucket?secret=x":                   "not secret",
		"s3://bucket?endpoint=ftp://example.org": "address of a server",
	} {
		if _, err := payload.Open(address); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want an error that says %q", address, err, says)
		} else if strings.Contains(err.Error(), "secret@") {
			t.Errorf("%q: the error shows the secret: %v", address, err)
		}
	}
}
