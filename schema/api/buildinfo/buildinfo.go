// Package buildinfo says which build a binary is, from what the Go toolchain
// wrote into it.
package buildinfo

import (
	"runtime"
	"runtime/debug"

	"paragon/schema/api"
)

// version is set by release builds (-ldflags "-X …").
var version string

// Read returns the version of this binary: that of a release build, else that
// of the module, else "devel". Mode is what the process was started as.
func Read(mode string) api.Version {
	out := api.Version{Version: version, Go: runtime.Version(), Mode: mode}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				out.Commit = s.Value
			}
		}
		if out.Version == "" && info.Main.Version != "(devel)" {
			out.Version = info.Main.Version
		}
	}
	if out.Version == "" {
		out.Version = "devel"
	}
	return out
}
