// Package command is what all commands of paragonctl share: the environment
// that they run in, which server they talk to, and how an error becomes a
// message, a hint and an exit code.
package command
