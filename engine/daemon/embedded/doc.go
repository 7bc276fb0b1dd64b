// Package embedded holds what `paragond dev` brings along so that nothing need
// be installed: an in-process Redis, and a small far side to call.
package embedded
