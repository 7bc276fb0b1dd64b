// Package backup writes the configuration of all projects into a directory, and
// brings it back on another installation: `export --all` and `restore`.
package backup
