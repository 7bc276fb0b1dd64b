package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store/internal/column"
	"paragon/schema"
)

// partitioned are the tables with a partition a day, each with the bound of a
// time among its ids, in the order in which all who take several take them.
var partitioned = []struct {
	table string
	bound func(time.Time) string
}{{"runs", schema.RunIDBound}, {"steps", schema.RunIDBound}, {"proxy_calls", schema.ProxyCallIDBound}}

// partitionName is the name of a day's partition of a table.
func partitionName(table string, start time.Time) string {
	return table + "_" + start.Format("20060102")
}

// lockPartitions lets one transaction at a time make or drop partitions.
// Whoever waits for the table's lock holds up all who come after, so that wait
// is cut short: the call fails with store.ErrUnavailable and is made again.
func lockPartitions(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockHistory); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'`)
	return err
}

// makeDays makes the partitions of days that have none, and names the projects
// for them.
func (s *Store) makeDays(ctx context.Context, days []day) error {
	const what = "make the partitions of a day"
	return s.inTx(ctx, what, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := lockPartitions(ctx, tx); err != nil {
			return s.wrap(ctx, what, err)
		}
		var made time.Time
		for _, d := range days {
			if d.start.Equal(made) {
				continue
			}
			made = d.start
			for _, p := range partitioned {
				if err := makePartition(ctx, tx, p.table, p.bound, d.start); err != nil {
					return s.wrap(ctx, what, err)
				}
			}
		}
		starts, projects := dayColumns(days)
		_, err := tx.Exec(ctx, `INSERT INTO history_days (day, project) SELECT * FROM unnest($1::date[], $2::text[])
			ON CONFLICT DO NOTHING`, starts, projects)
		return s.wrap(ctx, what, err)
	})
}

// makePartition makes the partition of a table for a day, unless it is there.
// The table is made apart and then attached: that lets others read and write
// the partitioned table meanwhile, which CREATE TABLE PARTITION OF does not.
func makePartition(ctx context.Context, tx pgx.Tx, table string, bound func(time.Time) string, start time.Time) error {
	name := partitionName(table, start)
	// A query of the catalog and not to_regclass, which answers from the
	// session's cache: that does not know yet what another session, for whose
	// lock this one has waited, dropped or made.
	var exists bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::regclass AND c.relname = $2)`, table, name).Scan(&exists)
	if err != nil || exists {
		return err
	}
	// Names and bounds are letters, digits and underscores.
	if _, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`, name, table)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`,
		table, name, bound(start), bound(start.AddDate(0, 0, 1))))
	return err
}

// DeleteRuns removes a project's history from before a time. A whole day in
// which no other project has rows goes with its partitions; elsewhere rows are
// deleted. Each day is a transaction of its own, so that an interrupted call
// goes on where it was.
func (s *Store) DeleteRuns(ctx context.Context, project string, before time.Time) (int64, error) {
	const what = "delete old runs"
	project = column.Text(project)
	// Runs that ended and left an accepted row behind must not come back to
	// life when the record of their end is gone.
	if _, err := s.pool.Exec(ctx, `DELETE FROM accepted a USING runs r
		WHERE a.project = $1 AND a.id < $2 AND r.project = a.project AND r.id = a.id`, project, schema.RunIDBound(before)); err != nil {
		return 0, s.wrap(ctx, what, err)
	}
	if _, err := s.pool.Exec(ctx, `DELETE FROM idempotency WHERE expires_at <= $1`, s.now()); err != nil {
		return 0, s.wrap(ctx, what, err)
	}
	boundary := startOfDay(before)
	starts, err := list(ctx, s.pool, pgx.RowTo[time.Time],
		`SELECT day FROM history_days WHERE project = $1 AND day <= $2 ORDER BY day`, project, boundary)
	if err != nil {
		return 0, s.wrap(ctx, what, err)
	}
	var total int64
	for _, start := range starts {
		var deleted int64
		err := s.inTx(ctx, what, pgx.TxOptions{}, func(tx pgx.Tx) (err error) {
			if start.Before(boundary) {
				deleted, err = deleteDay(ctx, tx, project, start)
			} else {
				deleted, err = deleteRows(ctx, tx, project, start, before)
			}
			return s.wrap(ctx, what, err)
		})
		if err != nil {
			return total, err
		}
		total += deleted
	}
	return total, s.forgetPayloads(ctx, project, before)
}

// deleteDay removes all that a project has in a day.
func deleteDay(ctx context.Context, tx pgx.Tx, project string, start time.Time) (deleted int64, err error) {
	// Before the row of the day, as makeDays does.
	if err := lockPartitions(ctx, tx); err != nil {
		return 0, err
	}
	// From here on no writer of the project is in this day; see lockForWrite.
	if _, err := tx.Exec(ctx, `DELETE FROM history_days WHERE day = $1 AND project = $2`, start, project); err != nil {
		return 0, err
	}
	var shared bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM history_days WHERE day = $1)`, start).Scan(&shared); err != nil {
		return 0, err
	}
	if shared {
		return deleteRows(ctx, tx, project, start, start.AddDate(0, 0, 1))
	}
	if deleted, err = countDay(ctx, tx, start); err != nil {
		return 0, err
	}
	// Several statements and not one: each waits for its own parent's lock.
	for _, p := range partitioned {
		if _, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+partitionName(p.table, start)); err != nil {
			return 0, err
		}
	}
	return deleted, nil
}

// countedPages is up to which size (64 MiB) the runs of a day are counted
// before they go. Of a larger day the statistics tell how many they are:
// counting millions would take longer than all else, with the day locked.
const countedPages = 8192

// countDay tells how many runs are in the partition of a day.
func countDay(ctx context.Context, tx pgx.Tx, start time.Time) (runs int64, err error) {
	name := partitionName("runs", start)
	var pages, estimate int64
	err = tx.QueryRow(ctx, `SELECT coalesce(pg_relation_size(oid) / current_setting('block_size')::int, 0), reltuples::bigint
		FROM pg_class WHERE oid = to_regclass($1)`, name).Scan(&pages, &estimate)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil // somebody dropped it by hand
	case err != nil || pages > countedPages && estimate >= 0:
		return estimate, err
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM `+name).Scan(&runs)
	return runs, err
}

// deleteRows removes a project's rows from one time to another, by the times in
// their ids. Like all who take several tables it takes runs first.
func deleteRows(ctx context.Context, tx pgx.Tx, project string, from, to time.Time) (deleted int64, err error) {
	tag, err := tx.Exec(ctx, `DELETE FROM runs WHERE project = $1 AND id >= $2 AND id < $3`, project, schema.RunIDBound(from), schema.RunIDBound(to))
	if err != nil {
		return 0, err
	}
	if _, err = tx.Exec(ctx, `DELETE FROM steps WHERE project = $1 AND run >= $2 AND run < $3`, project, schema.RunIDBound(from), schema.RunIDBound(to)); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM proxy_calls WHERE project = $1 AND id >= $2 AND id < $3`,
		project, schema.ProxyCallIDBound(from), schema.ProxyCallIDBound(to))
	return tag.RowsAffected(), err
}
