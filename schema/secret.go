package schema

// SecretSpec is the spec of a Secret. It has exactly one of Value and ValueFrom
// on the way in, and neither on the way out.
type SecretSpec struct {
	// Description says what the secret is for.
	Description string `json:"description,omitempty"`
	// Value is the secret itself. It is write-only: the server seals it and
	// never shows it again.
	Value string `json:"value,omitempty"`
	// ValueFrom says where paragonctl reads the value before it applies.
	ValueFrom *SecretSource `json:"valueFrom,omitempty"`
	// Digest and Version are what the server shows of a stored secret; they
	// are ignored on the way in.
	Digest  string `json:"digest,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// SecretSource has exactly one field.
type SecretSource struct {
	// Env names an environment variable of paragonctl.
	Env string `json:"env,omitempty"`
	// File is a path, relative to the file that names it. One newline at the
	// end is not part of the secret.
	File string `json:"file,omitempty"`
	// Age is the value encrypted with age, in its armored form, so that it can
	// be committed. paragonctl decrypts it with the identities of
	// PARAGON_AGE_KEY_FILE or PARAGON_AGE_KEY.
	Age string `json:"age,omitempty"`
}
