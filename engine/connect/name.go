package connect

// Shared tells whether the credential is the one that the integration itself
// names, or that the project brought.
func (t *Target) Shared() bool { return !t.brought || t.User == "" }

// CredentialName names the credential among those for the integration. All who
// call with the same one have the same name.
func (t *Target) CredentialName() string {
	if t.Shared() {
		return "shared"
	}
	return "user/" + t.User + "/" + t.Account
}
