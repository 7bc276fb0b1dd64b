//go:build unix

package function

import (
	"os/exec"
	"syscall"
)

// detach puts the process into a group of its own: a Ctrl-C at the terminal is
// for the daemon, which lets the calls under way end.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
