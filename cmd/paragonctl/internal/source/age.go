package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"paragon/cmd/paragonctl/internal/command"
)

// The variables that name the age identities.
const (
	envAgeKey     = "PARAGON_AGE_KEY"
	envAgeKeyFile = "PARAGON_AGE_KEY_FILE"
)

// maxDecrypted bounds a decrypted value, in bytes: more than the server takes.
const maxDecrypted = 1 << 20

// decrypt opens an armored age file. Its errors never hold the value nor an
// identity.
func decrypt(env *command.Env, armored string) (string, error) {
	identities, err := identities(env)
	if err != nil {
		return "", err
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(strings.TrimSpace(armored))), identities...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return "", errors.New("it is encrypted for other age identities than those given")
	}
	if err != nil {
		return "", errors.New("it is not an armored age file (write one with: age -a -r RECIPIENT)")
	}
	text, err := io.ReadAll(io.LimitReader(r, maxDecrypted+1))
	switch {
	case err != nil:
		return "", errors.New("the age file is damaged")
	case len(text) > maxDecrypted:
		return "", fmt.Errorf("the decrypted value has more than %d bytes", maxDecrypted)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", errors.New("the decrypted value is empty")
	}
	return value, nil
}

func identities(env *command.Env) ([]age.Identity, error) {
	text := env.Getenv(envAgeKey)
	if path := env.Getenv(envAgeKeyFile); path != "" {
		file, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the age identities (%s): %w", envAgeKeyFile, err)
		}
		text = string(file)
	}
	if text == "" {
		return nil, fmt.Errorf("it is encrypted with age: name the file of the identity in %s", envAgeKeyFile)
	}
	found, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		// The error's text may quote the identity.
		return nil, fmt.Errorf("the age identities of %s or %s can't be read", envAgeKeyFile, envAgeKey)
	}
	return found, nil
}
