package seal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The environment variables that LoadKeyring reads.
const (
	// EnvMasterKey holds the keys themselves.
	EnvMasterKey = "PARAGON_MASTER_KEY"
	// EnvMasterKeyFile holds the path of a file with the keys.
	EnvMasterKeyFile = "PARAGON_MASTER_KEY_FILE"
)

// ErrNoMasterKey says that no master key is configured.
var ErrNoMasterKey = errors.New("no master key: set " + EnvMasterKey + " or " + EnvMasterKeyFile +
	" (make one with: openssl rand -base64 32)")

// localMaster is a master key in memory.
type localMaster struct {
	id   string
	aead tink.AEAD
}

// NewLocalMaster returns a master key from its 32 bytes. Its id is a digest of
// them.
func NewLocalMaster(key []byte) (Master, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("a master key has 32 bytes, not %d", len(key))
	}
	aead, err := subtle.NewXChaCha20Poly1305(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	sum := sha256.Sum256(append([]byte("paragon master key id\x00"), key...))
	return &localMaster{id: hex.EncodeToString(sum[:8]), aead: aead}, nil
}

func (m *localMaster) ID() string { return m.id }

func (m *localMaster) Seal(_ context.Context, plaintext, associated []byte) ([]byte, error) {
	return m.aead.Encrypt(plaintext, associated)
}

func (m *localMaster) Open(_ context.Context, ciphertext, associated []byte) ([]byte, error) {
	plain, err := m.aead.Decrypt(ciphertext, associated)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// ParseKeys reads master keys from text: one a line or separated by commas,
// each 32 bytes in base64 or 64 hexadecimal digits, or an age identity, so that
// an age key file is one; lines that begin with # are comments. The first is the primary, the others only open. Errors name
// the entry's number, never the entry.
func ParseKeys(text string) (*Keyring, error) {
	var masters []Master
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for entry := range strings.SplitSeq(line, ",") {
			n++
			m, err := newMaster(strings.TrimSpace(entry))
			if err != nil {
				return nil, fmt.Errorf("master key %d: %w", n, err)
			}
			masters = append(masters, m)
		}
	}
	if len(masters) == 0 {
		return nil, ErrNoMasterKey
	}
	return NewKeyring(masters[0], masters[1:]...), nil
}

func decodeKey(s string) ([]byte, error) {
	if len(s) == 64 {
		if key, err := hex.DecodeString(s); err == nil {
			return key, nil
		}
	}
	s = strings.TrimRight(s, "=")
	key, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		key, err = base64.RawURLEncoding.DecodeString(s)
	}
	if err != nil || len(key) != 32 {
		return nil, errors.New("it is not 32 bytes in base64 or hex (make one with: openssl rand -base64 32)")
	}
	return key, nil
}

// Source says where LoadKeyring looks for master keys.
type Source struct {
	// File is a path given on the command line; it wins over the environment.
	File string
	// Generate makes File with a new key when it does not exist: for
	// development. Its directory is made too.
	Generate bool
	// Getenv reads the environment; nil reads that of the process.
	Getenv func(string) string
}

// LoadKeyring reads the master keys from the file, or else from the
// environment. It returns ErrNoMasterKey when there are none.
func LoadKeyring(src Source) (*Keyring, error) {
	if src.Getenv == nil {
		src.Getenv = os.Getenv
	}
	path := src.File
	if path == "" {
		if text := src.Getenv(EnvMasterKey); text != "" {
			keys, err := ParseKeys(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", EnvMasterKey, err)
			}
			return keys, nil
		}
		if path = src.Getenv(EnvMasterKeyFile); path == "" {
			return nil, ErrNoMasterKey
		}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && src.Generate && path == src.File {
		if err := generateFile(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	keys, err := ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// generateFile writes a new master key, readable by its owner only. A file
// that another process made meanwhile is left alone; a crash leaves no half of
// one.
func generateFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".master-key-*") // 0600
	if err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = fmt.Fprintf(f, "# Master key. Who has it can read every secret; without it they are lost.\n%s\n",
		base64.StdEncoding.EncodeToString(key))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make master key: %w", err)
	}
	return nil
}
