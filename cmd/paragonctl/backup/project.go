package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"paragon/schema"
)

// The layout of a backup: a directory a project, with what is no resource in one
// file and the resources below it, one file each, as apply reads them.
const (
	projectFile  = "project.json"
	resourcesDir = "resources"
)

// projectFormat is what the files of this version say that they are.
const projectFormat = "paragon-project/v1"

// project is what a project has besides its resources.
type project struct {
	Format   string                 `json:"format"`
	Name     string                 `json:"name"`
	Settings schema.ProjectSettings `json:"settings"`
	// UserKeys are the public keys of its users' tokens.
	UserKeys []userKey `json:"userKeys,omitempty"`
	// Members are who is a member, or invited. What they log in with stays behind.
	Members []member `json:"members,omitempty"`
}

type userKey struct {
	ID        string `json:"id"`
	Algorithm string `json:"algorithm"`
	PublicKey string `json:"publicKey"`
}

type member struct {
	Email string `json:"email"`
	Role  string `json:"role"`
}

// readProjects reads which projects a backup has, and what its files say of them.
func readProjects(dir string) ([]project, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	var found []project
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name(), projectFile)
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // something of somebody else's
		}
		if err != nil {
			return nil, fmt.Errorf("read the backup: %w", err)
		}
		p, err := parseProject(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if p.Name != e.Name() {
			return nil, fmt.Errorf("%s: it says that it is of project %q, and lies in the directory of %q", path, p.Name, e.Name())
		}
		found = append(found, p)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no backup in %s: no directory in it has a file %s", dir, projectFile)
	}
	return found, nil
}

func parseProject(text []byte) (p project, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // what this version would lose
	if err := dec.Decode(&p); err != nil {
		return p, fmt.Errorf("it is not what export --all writes: %w", err)
	}
	if p.Format != projectFormat {
		return p, fmt.Errorf("its format is %q, this version reads %q", p.Format, projectFormat)
	}
	return p, nil
}
