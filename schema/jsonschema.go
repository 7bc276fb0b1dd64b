package schema

import (
	"embed"
	"io/fs"
)

//go:generate go run ./gen

//go:embed jsonschema/*.json
var jsonSchemas embed.FS

// JSONSchema is the JSON Schema (draft-07) of a kind's documents, for editors
// and for other programs. ok is false for an unknown kind.
func JSONSchema(kind Kind) (schema []byte, ok bool) {
	name := kind.Singular()
	if kind.Path() == "" {
		return nil, false
	}
	schema, err := fs.ReadFile(jsonSchemas, "jsonschema/"+name+".json")
	return schema, err == nil
}
