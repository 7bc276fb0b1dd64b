package seal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrOpen says that a sealed value can't be opened: another key, another
// place, or damaged bytes. It never says more, and never holds the value.
var ErrOpen = errors.New("sealed value can't be opened: it was sealed under another key, for another place, or is damaged")

// Master is a master key. The one of this package is held in memory; a key
// management service is another implementation.
type Master interface {
	// ID names the key among all that ever were in use, in 255 bytes at most.
	// It is stored in the clear beside what the key sealed.
	ID() string
	// Seal encrypts a data key, bound to the associated data.
	Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error)
	// Open is the reverse of Seal.
	Open(ctx context.Context, ciphertext, associated []byte) ([]byte, error)
}

// Keyring holds the master keys: the primary seals, all open. It is safe for
// concurrent use.
type Keyring struct {
	primary Master
	byID    map[string]Master
}

// NewKeyring returns a keyring. The older keys only open what they sealed
// before the primary took over.
func NewKeyring(primary Master, older ...Master) *Keyring {
	k := &Keyring{primary: primary, byID: map[string]Master{}}
	for _, m := range older {
		k.byID[m.ID()] = m
	}
	k.byID[primary.ID()] = primary
	return k
}

// wrapFormat is the first byte of a wrapped data key: format, length of the
// key's id, the id, the ciphertext.
const wrapFormat = 1

// maxDataKeys bounds the data keys of a project. Each costs a try to open what
// another one sealed, of less than a microsecond.
const maxDataKeys = 256

// NewDataKey makes a project's data key and returns it sealed, as the store
// keeps it.
func (k *Keyring) NewDataKey(ctx context.Context, project string) ([]byte, error) {
	key := make([]byte, dataKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make data key: %w", err)
	}
	return k.wrap(ctx, project, key)
}

// DataKey opens a project's sealed data key. It fails with ErrOpen when it was
// sealed for another project, and says so when its master key is not here.
func (k *Keyring) DataKey(ctx context.Context, project string, wrapped []byte) (*DataKey, error) {
	_, key, err := k.unwrap(ctx, project, wrapped)
	if err != nil {
		return nil, err
	}
	return newDataKey(project, key)
}

// Rewrap seals a data key again under the primary master key, without touching
// the values under it: the rotation of the master key. Changed is false when
// the primary key sealed it already.
func (k *Keyring) Rewrap(ctx context.Context, project string, wrapped []byte) (rewrapped []byte, changed bool, err error) {
	id, key, err := k.unwrap(ctx, project, wrapped)
	if err != nil {
		return nil, false, err
	}
	if id == k.primary.ID() {
		return wrapped, false, nil
	}
	rewrapped, err = k.wrap(ctx, project, key)
	return rewrapped, err == nil, err
}

// AddDataKey makes another data key for a project: the first half of its
// rotation. It opens from now on and does not seal yet, so that whoever still
// has the key of before can open what is sealed meanwhile.
func (k *Keyring) AddDataKey(ctx context.Context, project string, wrapped []byte) ([]byte, error) {
	_, keys, err := k.unwrap(ctx, project, wrapped)
	if err != nil {
		return nil, err
	}
	if len(keys) >= maxDataKeys*dataKeySize {
		return nil, fmt.Errorf("project %s has %d data keys: no more can be added", project, maxDataKeys)
	}
	next := make([]byte, dataKeySize)
	if _, err := rand.Read(next); err != nil {
		return nil, fmt.Errorf("make data key: %w", err)
	}
	return k.wrap(ctx, project, slices.Concat(keys, next))
}

// PromoteDataKey lets the data key that was added last seal: the second half
// of a rotation, once everybody has it. The others open what they sealed.
func (k *Keyring) PromoteDataKey(ctx context.Context, project string, wrapped []byte) ([]byte, error) {
	_, keys, err := k.unwrap(ctx, project, wrapped)
	if err != nil {
		return nil, err
	}
	at := len(keys) - dataKeySize
	if at <= 0 {
		return nil, fmt.Errorf("project %s has no data key but the one that seals", project)
	}
	return k.wrap(ctx, project, slices.Concat(keys[at:], keys[:at]))
}

func (k *Keyring) wrap(ctx context.Context, project string, key []byte) ([]byte, error) {
	id := k.primary.ID()
	if len(id) > 255 {
		return nil, fmt.Errorf("master key id of %d bytes is too long: at most 255", len(id))
	}
	sealed, err := k.primary.Seal(ctx, key, bind("data-key", project))
	if err != nil {
		return nil, fmt.Errorf("seal data key of project %s: %w", project, err)
	}
	out := append([]byte{wrapFormat, byte(len(id))}, id...)
	return append(out, sealed...), nil
}

func (k *Keyring) unwrap(ctx context.Context, project string, wrapped []byte) (id string, key []byte, err error) {
	if len(wrapped) < 2 || wrapped[0] != wrapFormat || len(wrapped) < 2+int(wrapped[1]) {
		return "", nil, fmt.Errorf("data key of project %s: %w", project, ErrOpen)
	}
	n := 2 + int(wrapped[1])
	id = string(wrapped[2:n])
	master, ok := k.byID[id]
	if !ok {
		return "", nil, fmt.Errorf("data key of project %s is sealed under master key %q, which is not configured: add it to the older keys", project, id)
	}
	key, err = master.Open(ctx, wrapped[n:], bind("data-key", project))
	if err != nil {
		return "", nil, fmt.Errorf("data key of project %s: %w", project, err)
	}
	return id, key, nil
}

// bind joins parts into associated data such that no two lists of parts give
// the same bytes.
func bind(parts ...string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.AppendUvarint(out, uint64(len(p)))
		out = append(out, p...)
	}
	return out
}
