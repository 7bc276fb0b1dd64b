package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"paragon/tui/cell"
	"paragon/tui/theme"
)

// column is a column of a list.
type column[T any] struct {
	title string
	// width in cells; the one column with grow takes what is left, too.
	width int
	grow  bool
	right bool
	// drop says how soon the column goes when the screen is narrow: the
	// highest first, 0 never.
	drop int
	text func(a *App, item T) string
	// compare orders by the column; nil: it can't be sorted by.
	compare func(x, y T) int
}

// list shows items as a table, of which it draws only what fits. The selection
// stays with an item, not with a row.
type list[T any] struct {
	columns []column[T]
	id      func(T) string
	// empty is shown when there is nothing.
	empty string

	items []T
	// order are the indexes of the items to show; nil: all, as they are.
	order []int
	// picked is the selected item's id, cursor its row, top the first row drawn.
	picked      string
	cursor, top int
	height      int
	marks       map[string]bool
	// sortBy is the column sorted by, -1 for none.
	sortBy     int
	descending bool
	needle     string
}

func (l *list[T]) len() int {
	if l.order != nil {
		return len(l.order)
	}
	return len(l.items)
}

func (l *list[T]) at(row int) T {
	if l.order != nil {
		return l.items[l.order[row]]
	}
	return l.items[row]
}

// current is the selected item.
func (l *list[T]) current() (item T, ok bool) {
	if l.cursor < 0 || l.cursor >= l.len() {
		return item, false
	}
	return l.at(l.cursor), true
}

// set replaces the items. The selection stays with its item; when that is
// gone, with its row.
func (l *list[T]) set(a *App, items []T) {
	l.items = items
	l.arrange(a)
}

// arrange filters and sorts anew.
func (l *list[T]) arrange(a *App) {
	l.order = nil
	if l.needle != "" || l.sortBy >= 0 {
		l.order = make([]int, 0, len(l.items))
		for i := range l.items {
			if l.needle == "" || l.contains(a, l.items[i]) {
				l.order = append(l.order, i)
			}
		}
	}
	if l.sortBy >= 0 {
		compare := l.columns[l.sortBy].compare
		slices.SortStableFunc(l.order, func(x, y int) int {
			c := compare(l.items[x], l.items[y])
			if l.descending {
				c = -c
			}
			return c
		})
	}
	l.find()
}

func (l *list[T]) contains(a *App, item T) bool {
	for _, c := range l.columns {
		if strings.Contains(strings.ToLower(ansi.Strip(c.text(a, item))), l.needle) {
			return true
		}
	}
	return false
}

// find puts the cursor on the picked item.
func (l *list[T]) find() {
	n := l.len()
	if l.picked != "" && (l.cursor >= n || l.cursor < 0 || l.id(l.at(l.cursor)) != l.picked) {
		for i := range n {
			if l.id(l.at(i)) == l.picked {
				l.top = max(l.top+i-l.cursor, 0)
				l.cursor = i
				break
			}
		}
	}
	l.moveTo(l.cursor)
}

// moveTo selects a row, or the nearest there is.
func (l *list[T]) moveTo(row int) {
	n := l.len()
	l.cursor = max(min(row, n-1), 0)
	l.picked = ""
	if n > 0 {
		l.picked = l.id(l.at(l.cursor))
	}
	l.scroll()
}

// scroll makes the selected row one of those drawn.
func (l *list[T]) scroll() {
	h := max(l.height, 1)
	l.top = max(min(l.top, l.cursor), l.cursor-h+1)
	l.top = max(min(l.top, l.len()-h), 0)
}

// key moves the selection, marks, or sorts.
func (l *list[T]) key(a *App, key string) bool {
	page := max(l.height-1, 1)
	switch key {
	case "j", "down":
		l.moveTo(l.cursor + 1)
	case "k", "up":
		l.moveTo(l.cursor - 1)
	case "ctrl+d":
		l.moveTo(l.cursor + page/2 + 1)
	case "ctrl+u":
		l.moveTo(l.cursor - page/2 - 1)
	case "pgdown", "ctrl+f":
		l.moveTo(l.cursor + page)
	case "pgup", "ctrl+b":
		l.moveTo(l.cursor - page)
	case "g", "home":
		l.moveTo(0)
	case "G", "end":
		l.moveTo(l.len() - 1)
	case "space":
		if l.marks == nil || l.picked == "" {
			return false
		}
		if l.marks[l.picked] {
			delete(l.marks, l.picked)
		} else {
			l.marks[l.picked] = true
		}
		l.moveTo(l.cursor + 1)
	case "s":
		return l.sortNext(a)
	case "S":
		if l.sortBy < 0 {
			return false
		}
		l.descending = !l.descending
		l.arrange(a)
	default:
		return false
	}
	return true
}

// sortNext sorts by the next column that can be sorted by; after the last, by
// none.
func (l *list[T]) sortNext(a *App) bool {
	for i := l.sortBy + 1; i < len(l.columns); i++ {
		if l.columns[i].compare != nil {
			// Numbers are on the right, and the largest is what one looks for.
			l.sortBy, l.descending = i, l.columns[i].right
			l.arrange(a)
			return true
		}
	}
	if l.sortBy < 0 {
		return false
	}
	l.sortBy = -1
	l.arrange(a)
	return true
}

// layout gives the columns that fit in the width, and their widths.
func (l *list[T]) layout(width int) (shown, widths []int) {
	width -= 2 // the place of the mark
	dropped := make(map[int]bool)
	for {
		total, worst := 0, -1
		for i, c := range l.columns {
			if dropped[i] {
				continue
			}
			total += c.width + 2
			if c.drop > 0 && (worst < 0 || c.drop > l.columns[worst].drop) {
				worst = i
			}
		}
		if total-2 > width && worst >= 0 {
			dropped[worst] = true
			continue
		}
		for i, c := range l.columns {
			if dropped[i] {
				continue
			}
			w := c.width
			if c.grow {
				w = max(w+width-(total-2), 4)
			}
			shown, widths = append(shown, i), append(widths, w)
		}
		return shown, widths
	}
}

// draw draws the heading and the rows that fit.
func (l *list[T]) draw(a *App, width, height int) []string {
	th := a.theme
	shown, widths := l.layout(width)
	var head strings.Builder
	head.WriteString("  ")
	for n, i := range shown {
		title := l.columns[i].title
		if i == l.sortBy {
			if l.descending {
				title += th.Down
			} else {
				title += th.Up
			}
		}
		head.WriteString(a.fit(title, widths[n], l.columns[i].right))
		if n < len(shown)-1 {
			head.WriteString("  ")
		}
	}
	lines := []string{th.Paint(theme.Bold, a.cut(head.String(), width))}
	l.height = max(height-1, 1)
	l.scroll()
	if l.len() == 0 {
		text := l.empty
		if l.needle != "" && len(l.items) > 0 {
			text = "Nothing of " + count(len(l.items)) + " matches; esc clears the filter."
		}
		return append(lines, th.Paint(theme.Dim, a.cut("  "+text, width)))
	}
	for row := l.top; row < min(l.top+l.height, l.len()); row++ {
		item := l.at(row)
		var line strings.Builder
		if l.marks[l.id(item)] {
			line.WriteString(th.Paint(theme.Accent, th.Mark) + " ")
		} else {
			line.WriteString("  ")
		}
		for n, i := range shown {
			line.WriteString(a.fit(l.columns[i].text(a, item), widths[n], l.columns[i].right))
			if n < len(shown)-1 {
				line.WriteString("  ")
			}
		}
		text := a.cut(line.String(), width)
		if row == l.cursor {
			text = th.Selected(cell.Pad(text, width))
		}
		lines = append(lines, text)
	}
	return lines
}

// place is where the selection is, for the title line ("3 of 120").
func (l *list[T]) place() string {
	if l.len() == 0 {
		return "none"
	}
	return count(l.cursor+1) + " of " + count(l.len())
}

// plainHint is the form of the filter of a list that looks at all columns.
const plainHint = "text that a row contains"

// narrow shows only the items that contain the text in some column.
func (l *list[T]) narrow(a *App, text string) {
	l.needle = strings.ToLower(text)
	l.arrange(a)
}
