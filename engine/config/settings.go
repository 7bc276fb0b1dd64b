package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema"
)

// Settings returns a project's settings, with defaults for what is not set.
func (s *Service) Settings(ctx context.Context, project string) (schema.ProjectSettings, error) {
	var out schema.ProjectSettings
	_, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		p, err := tx.Project(ctx)
		if err != nil {
			return err
		}
		out, err = schema.ParseProjectSettings(p.Settings)
		return err
	})
	return out, settingsError(project, err)
}

// SetSettings replaces a project's settings.
func (s *Service) SetSettings(ctx context.Context, actor Actor, project string, settings schema.ProjectSettings) (schema.ProjectSettings, error) {
	raw, err := json.Marshal(settings)
	if err != nil {
		return settings, fmt.Errorf("settings of project %s: %w", project, err)
	}
	if settings, err = schema.ParseProjectSettings(raw); err != nil {
		return settings, invalid(err.Error(), nil)
	}
	if raw, err = json.Marshal(settings); err != nil {
		return settings, fmt.Errorf("settings of project %s: %w", project, err)
	}
	var made store.Project
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		p, err := tx.Project(ctx)
		if err != nil {
			return err
		}
		before, err := schema.ParseProjectSettings(p.Settings)
		if err != nil {
			return err
		}
		made = *p
		made.Settings = raw
		if err := tx.PutProject(ctx, made); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "settings", "project/"+project, map[string]any{"before": before, "after": settings})
	})
	if err != nil {
		return settings, settingsError(project, err)
	}
	s.publish(ctx, version, cache.Change{Projects: []store.Project{made}})
	return settings, nil
}

func settingsError(project string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound("project %s does not exist", project)
	}
	return storeError("settings of project "+project, err)
}
