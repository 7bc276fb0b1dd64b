// Package plot draws series of numbers into text: lines of braille dots (or of
// ASCII), and sparklines one cell high.
package plot
