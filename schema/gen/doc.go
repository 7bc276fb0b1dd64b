// Command gen writes the JSON Schemas (draft-07, which editors understand) of
// the resource kinds from the Go structs of package schema: their fields, tags
// and doc comments. Run it with go generate in the folder above after a change
// there; a test fails when it was forgotten.
package main
