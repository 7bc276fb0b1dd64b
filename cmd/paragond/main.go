// Command paragond is Paragon's headless daemon: the API, the workers, the
// scheduler and the flusher, in one process or in many.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"paragon/engine/daemon"
)

func main() { os.Exit(run()) }

func run() int {
	daemon.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := newRoot()
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "paragond: %v\n", err)
		return exitCode(err)
	}
	return 0
}
