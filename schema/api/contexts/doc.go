// Package contexts keeps the named connections of a person: which server,
// which project, which token. paragonctl reads them; `paragond dev` adds one.
//
// The file is JSON, written whole and renamed into place with mode 0600, under
// a lock, so that two writers lose nothing and a reader never sees half of it.
package contexts
