package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
	"paragon/schema/api"
)

// Export writes all projects that the caller has a role in into a directory that
// is not there yet, or empty. The values of secrets go along only for an age
// recipient; it returns what it wrote.
func Export(ctx context.Context, env *command.Env, dir, recipient string) ([]output.Did, error) {
	conn, err := env.Connection()
	if err != nil {
		return nil, err
	}
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	client := env.ClientFor(conn)
	defer client.Close()
	projects, err := client.Projects(ctx)
	if err != nil {
		return nil, fmt.Errorf("export: list the projects: %w", err)
	}
	var done []output.Did
	for _, p := range projects.Items {
		of := clientIn(env, conn, p.Name)
		wrote, err := exportProject(ctx, of, filepath.Join(dir, p.Name), recipient)
		of.Close()
		if done = append(done, wrote...); err != nil {
			return done, fmt.Errorf("export project %s: %w", p.Name, err)
		}
	}
	return done, nil
}

// clientIn is the client of a connection in another project.
func clientIn(env *command.Env, conn command.Connection, project string) *api.Client {
	conn.Project = project
	return env.ClientFor(conn)
}

// emptyDir makes the directory. What is there already would be part of the backup
// at the restore.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if len(entries) > 0 {
		return command.WithTry(fmt.Errorf("export: %s is not empty", dir), "name a directory of its own, such as one with the date")
	}
	return nil
}

func exportProject(ctx context.Context, client *api.Client, dir, recipient string) ([]output.Did, error) {
	name := client.Project()
	if !filepath.IsLocal(name) || filepath.Base(dir) != name {
		return nil, errors.New("its name can't be that of a directory")
	}
	if err := os.MkdirAll(filepath.Join(dir, resourcesDir), 0o700); err != nil {
		return nil, err
	}
	about, err := aboutProject(ctx, client)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(dir, projectFile), append(text, '\n')); err != nil {
		return nil, err
	}
	done := []output.Did{{Resource: "project/" + name, Action: "exported"}}
	sealed, err := source.Sealed(ctx, client, recipient)
	if err != nil {
		return done, fmt.Errorf("its secrets: %w", err)
	}
	for _, kind := range schema.Kinds {
		for item, err := range client.All(ctx, kind) {
			if err != nil {
				return done, fmt.Errorf("list %s: %w", kind.Path(), err)
			}
			ref := schema.Ref{Kind: item.Kind, Name: item.Metadata.Name}
			if err := exportResource(filepath.Join(dir, resourcesDir), item, sealed); err != nil {
				return done, fmt.Errorf("%s: %w", ref, err)
			}
			done = append(done, output.Did{Resource: name + "/" + ref.String(), Action: "exported"})
		}
	}
	return done, nil
}

func aboutProject(ctx context.Context, client *api.Client) (project, error) {
	p := project{Format: projectFormat, Name: client.Project()}
	settings, err := client.Settings(ctx)
	if err != nil {
		return p, fmt.Errorf("its settings: %w", err)
	}
	p.Settings = *settings
	keys, err := client.UserKeys(ctx)
	if err != nil {
		return p, fmt.Errorf("its users' keys: %w", err)
	}
	for _, k := range keys.Items {
		p.UserKeys = append(p.UserKeys, userKey{ID: k.ID, Algorithm: k.Algorithm, PublicKey: k.PublicKey})
	}
	members, err := client.Members(ctx)
	if err != nil {
		return p, fmt.Errorf("its members: %w", err)
	}
	for _, m := range members.Items {
		p.Members = append(p.Members, member{Email: m.Email, Role: m.Role})
	}
	return p, nil
}

func exportResource(dir string, item api.StoredResource, sealed map[string]string) error {
	name, err := source.FileName(item)
	if err != nil {
		return err
	}
	text, err := source.Write(item, sealed)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, name), text)
}

// writeFile writes a file that is not there.
func writeFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there twice: names that differ in case only need a file system that tells them apart", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
