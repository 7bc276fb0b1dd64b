// Command paragonctl is the one client of Paragon: it applies workflows, starts
// and reads runs, and keeps secrets and keys. All that it does goes through
// the HTTP API.
package main

import (
	"os"
	"time"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
)

func main() {
	os.Exit(cli.Main(&command.Env{
		Streams: terminal.System(os.Getenv),
		Getenv:  os.Getenv,
		Now:     time.Now,
		Version: cli.Version(),
	}, os.Args[1:]))
}
