package theme

import (
	"image/color"
	"slices"

	"github.com/charmbracelet/x/ansi"
)

// Role is what a piece of text means; a theme gives each its colour.
type Role int

// The roles.
const (
	Text   Role = iota
	Dim         // what matters less
	Bold        // a heading
	Accent      // where the reader is: the open view, the key to press
	Good        // went well
	Bad         // failed
	Notice      // changes, warns
	Active      // under way
	First       // the first series of a plot
	Second      // the second
	roles
)

// Theme paints text. Its zero value is no theme: use Named.
type Theme struct {
	// Name is what --theme calls it.
	Name string
	// Glyphs are the signs that it draws with.
	Glyphs
	styles [roles]ansi.Style
}

// hue is a colour of 24 bits and whether it is bold.
type hue struct {
	rgb  uint32
	bold bool
}

// The default palette follows that of Okabe and Ito: blue against orange stays
// apart for every kind of colour vision. Red and green are never set against
// each other.
var palettes = map[string][roles]hue{
	"default": {Dim: {rgb: 0x8a8a8a}, Bold: {bold: true}, Accent: {0x56b4e9, true}, Good: {rgb: 0x56a0dd}, Bad: {0xe8702a, true},
		Notice: {rgb: 0xe69f00}, Active: {rgb: 0x56b4e9}, First: {rgb: 0x56a0dd}, Second: {rgb: 0xe69f00}},
	"light": {Dim: {rgb: 0x6a6a6a}, Bold: {bold: true}, Accent: {0x005a9c, true}, Good: {rgb: 0x005a9c}, Bad: {0xb34700, true},
		Notice: {rgb: 0x8f5f00}, Active: {rgb: 0x0072b2}, First: {rgb: 0x0072b2}, Second: {rgb: 0xb34700}},
	"contrast": {Dim: {rgb: 0xc0c0c0}, Bold: {0xffffff, true}, Accent: {0x7fd4ff, true}, Good: {0x7fd4ff, true}, Bad: {0xffb000, true},
		Notice: {0xffd75f, true}, Active: {rgb: 0xaee4ff}, First: {rgb: 0x7fd4ff}, Second: {rgb: 0xffb000}},
	"mono": {Bold: {bold: true}, Accent: {bold: true}, Bad: {bold: true}},
}

// Names lists the themes, the default first.
func Names() []string { return []string{"default", "light", "contrast", "mono"} }

// Named returns a theme by its name, drawn with ASCII alone if asked; false
// for a name that is none.
func Named(name string, ascii bool) (*Theme, bool) {
	if name == "" {
		name = Names()[0]
	}
	if !slices.Contains(Names(), name) {
		return nil, false
	}
	t := &Theme{Name: name, Glyphs: unicodeGlyphs}
	if ascii {
		t.Glyphs = asciiGlyphs
	}
	for role, h := range palettes[name] {
		var s ansi.Style
		if h.rgb != 0 {
			s = s.ForegroundColor(color.RGBA{R: uint8(h.rgb >> 16), G: uint8(h.rgb >> 8), B: uint8(h.rgb), A: 0xff})
		}
		if h.bold {
			s = s.Bold()
		}
		t.styles[role] = s
	}
	return t, true
}

// Paint gives the text the colour of its role.
func (t *Theme) Paint(role Role, text string) string {
	if text == "" || len(t.styles[role]) == 0 {
		return text
	}
	return t.styles[role].Styled(text)
}

// Selected shows a line as the one that keys act on: by reverse video, which
// needs no colour. Colours inside are dropped, so that it is of one piece.
func (t *Theme) Selected(line string) string {
	return ansi.Style{}.Reverse(true).Styled(ansi.Strip(line))
}
