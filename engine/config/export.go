package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// ExportSecrets returns a project's secrets, each encrypted for an age
// recipient: the one way in which a value leaves, and only its holder can read
// it. Who asked, and for whom, is in the audit log.
func (s *Service) ExportSecrets(ctx context.Context, actor Actor, project, recipient string) ([]api.ExportedSecret, error) {
	to, err := seal.ParseRecipient(recipient)
	if err != nil {
		return nil, invalid("the recipient can't be used: "+err.Error(), []schema.Diagnostic{
			{Severity: schema.SeverityError, Code: "invalid", Field: "recipient", Message: err.Error()}})
	}
	const what = "export the secrets"
	var stored []store.Resource
	var p *store.Project
	_, err = s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		if p, err = tx.Project(ctx); errors.Is(err, store.ErrNotFound) {
			return notFound("project %s does not exist", project)
		} else if err != nil {
			return err
		}
		if stored, err = tx.Resources(ctx, schema.KindSecret); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "export-secrets", "project/"+project, map[string]any{"recipient": recipient, "secrets": len(stored)})
	})
	if err != nil {
		return nil, storeError(what, err)
	}
	key, err := s.dataKey(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make([]api.ExportedSecret, len(stored))
	for i, r := range stored {
		name := r.Metadata.Name
		var secret storedSecret
		if err := json.Unmarshal(r.Spec, &secret); err != nil {
			return nil, fmt.Errorf("the stored secret %s can't be read", name)
		}
		value, err := key.Open(secret.Sealed, cache.SecretPlace(name)...)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", name, err)
		}
		if out[i].Age, err = to.Encrypt(value); err != nil {
			return nil, fmt.Errorf("secret %s: %w", name, err)
		}
		out[i].Name = name
	}
	return out, nil
}
