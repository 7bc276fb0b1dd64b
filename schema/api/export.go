package api

import "context"

// ExportSecretsRequest is the body of POST …/secrets/export.
type ExportSecretsRequest struct {
	// Recipient is an age recipient ("age1…"): only its identity opens what comes.
	Recipient string `json:"recipient"`
}

// ExportedSecret is a secret whose value only the recipient can read.
type ExportedSecret struct {
	Name string `json:"name"`
	// Age is the value as an armored age file, as valueFrom.age takes it.
	Age string `json:"age"`
}

// ExportSecrets returns the project's secrets, encrypted for an age recipient.
func (c *Client) ExportSecrets(ctx context.Context, recipient string) (*List[ExportedSecret], error) {
	return post[List[ExportedSecret]](ctx, c, c.path("secrets", "export"), ExportSecretsRequest{Recipient: recipient})
}
