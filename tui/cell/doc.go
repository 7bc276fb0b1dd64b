// Package cell is text on a terminal, measured in cells: cut, padded, and made
// harmless when it came from outside. The commands of paragonctl use it as the
// dashboard does.
package cell
