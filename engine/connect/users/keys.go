package users

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// Place names a credential. Without a user it is the project's shared one.
type Place = store.CredentialID

// shards is how many slots users are spread over. All that is kept of one user
// is in one slot, with the mark that says whether the slot was filled: a node of
// a cluster that loses its memory loses the mark, too.
const shards = 16

// noticeChannel carries the key that changed.
const noticeChannel = "paragon:{connect}:notices"

// shardOf is the slot of a user of a project.
func shardOf(project, user string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(project + "/" + user))
	return int(h.Sum32() % shards)
}

func shardPrefix(shard int) string { return prefixes[shard] }

var prefixes = func() (all [shards]string) {
	for i := range all {
		all[i] = fmt.Sprintf("paragon:{connect%02d}:", i)
	}
	return all
}()

// filledKey says that a slot has all that the store has for it.
func filledKey(shard int) string { return shardPrefix(shard) + "filled" }

// renewedKey is the stream of what workers made of a slot's credentials.
func renewedKey(shard int) string { return shardPrefix(shard) + "renewed" }

// userKey is a hash with the generation (g) and the user as JSON (b).
func userKey(project, user string) string {
	return shardPrefix(shardOf(project, user)) + "user:" + project + "/" + user
}

// keysKey is a hash with the generation and the project's public keys as JSON.
func keysKey(project string) string {
	return shardPrefix(shardOf(project, "")) + "keys:" + project
}

// credentialKey is a hash with generation, version (v) and the credential as
// JSON, what it holds sealed.
func credentialKey(p Place) string {
	return shardPrefix(shardOf(p.Project, p.User)) + "credential:" + placeText(p)
}

// lockKey is held while a credential's token is renewed, restKey for a while
// after that failed.
func lockKey(p Place) string { return credentialKey(p) + ":lock" }
func restKey(p Place) string { return credentialKey(p) + ":rest" }

// connectKey is an authorization under way, by its id; stateKey is what its
// state leads to.
func connectKey(id string) string { return "paragon:{connect}:flow:" + id }

// placeText names a place in a key; no part of it has a slash.
func placeText(p Place) string {
	return strings.Join([]string{p.Project, p.User, p.Integration, p.Account}, "/")
}

// sealedFor is what a credential's sealing is bound to.
func sealedFor(p Place) string { return "credential/" + placeText(p) }

// MaxID bounds the id of a user and of a key, in bytes.
const MaxID = 200

var (
	// userID leaves out what a path or a header would have to escape.
	userID    = regexp.MustCompile(`^[A-Za-z0-9!$&'()*+,.:;=@^_{|}~-]+$`)
	accountID = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	keyID     = regexp.MustCompile(`^[A-Za-z0-9._~:=+-]+$`)
)

// ValidID tells whether a text may be the id of a user: 1 to MaxID visible ASCII
// characters without / \ ? # % < > " ` and brackets; not "." and "..".
func ValidID(id string) bool {
	return len(id) <= MaxID && id != "." && id != ".." && userID.MatchString(id)
}

// ValidAccount tells whether a text may name an account: like a DNS label, with
// dots and underscores, too.
func ValidAccount(name string) bool { return accountID.MatchString(name) }

func validKeyID(id string) bool {
	return len(id) <= MaxID && id != "." && id != ".." && keyID.MatchString(id)
}

// checkPlace refuses names that can't be.
func checkPlace(p Place) error {
	switch {
	case p.User != "" && !ValidID(p.User):
		return invalid("user", "%q is not the id of a user: 1 to %d visible characters, without spaces and / ? # %%", cut(p.User), MaxID)
	case !ValidAccount(p.Account):
		return invalid("account", "%q is not the name of an account: lower-case letters, digits, and . _ - between them, 63 at most", cut(p.Account))
	case !workflows.ValidName(schema.KindIntegration, p.Integration):
		return invalid("integration", "%q is not the name of an integration", cut(p.Integration))
	}
	return nil
}

// withAccount is a place whose account is the default one when it is left out.
func withAccount(p Place) Place {
	if p.Account == "" {
		p.Account = api.DefaultAccount
	}
	return p
}

func cut(text string) string { return text[:min(len(text), 100)] }
