package migration

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"paragon/engine/store"
	"paragon/schema"
)

// Check compares the migrations that were applied with the files in dir, and
// returns store.ErrSchema, with what to do, unless they are the same. Where
// names the database in the error.
//
// It looks at each number and not only at the highest: work that went on side
// by side may bring a migration with a lower number than one already applied.
func Check(where, dir string, applied []int64) error {
	files, err := fs.ReadDir(schema.Migrations, dir)
	if err != nil {
		return err
	}
	var known, missing []int64
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("the migration %s has no number: %w", f.Name(), err)
		}
		known = append(known, n)
		if !slices.Contains(applied, n) {
			missing = append(missing, n)
		}
	}
	have, want := slices.Max(append(applied, 0)), slices.Max(append(known, 0))
	switch {
	case have > want:
		return fmt.Errorf("%w: %s is at version %d and this paragond knows %d: %w, and `paragond migrate` never goes back", store.ErrSchema, where, have, want, store.ErrNewer)
	case have < want:
		return fmt.Errorf("%w: %s is at version %d and this paragond needs %d: run `paragond migrate`", store.ErrSchema, where, have, want)
	case len(missing) > 0:
		return fmt.Errorf("%w: %s is at version %d but lacks migration %d: run `paragond migrate`", store.ErrSchema, where, have, missing[0])
	}
	return nil
}
