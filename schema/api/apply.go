package api

// The media types of request bodies.
const (
	ContentTypeJSON   = "application/json"
	ContentTypeYAML   = "application/yaml"     // RFC 9512
	ContentTypeNDJSON = "application/x-ndjson" // one JSON value a line
)

// ApplyRequest is the JSON body of POST …/apply. The same route takes one YAML
// file as application/yaml, which is a request with one file, no set and no
// values.
type ApplyRequest struct {
	// Set names what is applied together. Prune deletes only what the same set
	// applied before; it needs a set.
	Set string `json:"set,omitempty"`
	// Files are YAML (or JSON, which is YAML) with one or more documents each,
	// as they were written, so that findings point into them.
	Files []File `json:"files"`
	// Release records what is applied under a name, once in the project; Commit
	// is kept with it.
	Release string `json:"release,omitempty"`
	Commit  string `json:"commit,omitempty"`
	// Values holds what the client read for the Secrets that say valueFrom, by
	// the Secret's name. A Secret with valueFrom and no entry here is invalid.
	Values map[string]string `json:"values,omitempty"`
}

// File is one source file.
type File struct {
	// Name is shown in findings ("workflows/lead-sync.yaml").
	Name    string `json:"name"`
	Content string `json:"content"`
}

// RollbackRequest is the body of POST …/{kind}/{name}/rollback, which writes
// an earlier revision again as a new one and answers with a StoredResource.
type RollbackRequest struct {
	// Revision is the one to go back to; 0 is the one before the current.
	Revision int64 `json:"revision,omitempty"`
}
