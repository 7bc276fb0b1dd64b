// Package screentest runs a program on a terminal that lives in memory: it
// types keys, waits for what the screen shows, and keeps screens as text or
// SVG. Tests and the script of the screenshots use it.
package screentest
