// Package dash holds the command that opens the dashboard of package tui.
package dash
