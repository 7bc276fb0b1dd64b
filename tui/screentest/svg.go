package screentest

import (
	"fmt"
	"html"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
)

// The measures of a cell in an SVG, in pixels, and its colours.
const (
	cellWidth, cellHeight = 8.4, 18.0
	paper, ink            = "#101418", "#d8dee4"
)

// SVG is the screen as a picture. The same screen is the same picture.
func (s *Screen) SVG() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	columns, lines := s.emu.Width(), s.emu.Height()
	var b strings.Builder
	w, h := float64(columns)*cellWidth+16, float64(lines)*cellHeight+16
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", paper)
	b.WriteString(`<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">` + "\n")
	for y := range lines {
		for x := 0; x < columns; {
			first := s.emu.CellAt(x, y)
			style := styleOf(first)
			from := x
			var text strings.Builder
			for x < columns {
				c := s.emu.CellAt(x, y)
				if styleOf(c) != style {
					break
				}
				if c == nil || c.Content == "" {
					text.WriteByte(' ')
					x++
					continue
				}
				text.WriteString(c.Content)
				x += max(c.Width, 1)
			}
			style.write(&b, text.String(), from, x, y)
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// look is how a cell is painted.
type look struct {
	fg, bg string
	bold   bool
}

func styleOf(c *uv.Cell) look {
	l := look{fg: ink}
	if c == nil {
		return l
	}
	if c.Style.Fg != nil {
		l.fg = hex(c.Style.Fg)
	}
	if c.Style.Bg != nil {
		l.bg = hex(c.Style.Bg)
	}
	l.bold = c.Style.Attrs&uv.AttrBold != 0
	if c.Style.Attrs&uv.AttrReverse != 0 {
		if l.bg == "" {
			l.bg = paper
		}
		l.fg, l.bg = l.bg, l.fg
	}
	return l
}

func hex(c color.Color) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

func (l look) write(b *strings.Builder, text string, from, to, y int) {
	x, top := 8+float64(from)*cellWidth, 8+float64(y)*cellHeight
	width := float64(to-from) * cellWidth
	if l.bg != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, top, width, cellHeight, l.bg)
	}
	if dots := braille(text, x, top); dots != "" {
		fmt.Fprintf(b, `<path fill="%s" d="%s"/>`+"\n", l.fg, dots)
		return
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	weight := ""
	if l.bold {
		weight = ` font-weight="bold"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"%s>%s</text>`+"\n",
		x, top+13.5, width, l.fg, weight, html.EscapeString(text))
}

// braille draws the dots of braille cells as a path, as fonts have them in
// widths of their own; empty when the text has none.
func braille(text string, x, top float64) string {
	var b strings.Builder
	for i, r := range []rune(text) {
		if r < 0x2800 || r > 0x28ff {
			continue
		}
		for bit := range 8 {
			if r>>bit&1 == 0 {
				continue
			}
			// Bits 0 to 2 and 6 are the left column from the top, the others
			// the right one.
			column, row := bit/3, bit%3
			if bit >= 6 {
				column, row = bit-6, 3
			}
			fmt.Fprintf(&b, "M%.1f %.1fh2v2h-2z", x+float64(i)*cellWidth+1.2+float64(column)*cellWidth/2, top+1.2+float64(row)*cellHeight/4)
		}
	}
	return b.String()
}
