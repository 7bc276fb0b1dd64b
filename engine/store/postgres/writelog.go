package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
	"paragon/schema"
)

var (
	// errPosition ends a transaction whose batch does not fit the position.
	errPosition = errors.New("the stream is at another position")
	// errNoDay ends a transaction that would write into days which have no
	// partitions yet.
	errNoDay = errors.New("a day has no partitions")
)

// WriteLog writes a batch of the log with its stream's new position.
//
// The rows go by COPY. Only when some are there already, which happens when a
// run was executed again after a loss of Redis, a second try merges them.
func (s *Store) WriteLog(ctx context.Context, batch store.LogBatch) (applied bool, err error) {
	if err := column.CheckBatch(batch); err != nil {
		return false, err
	}
	days := daysOf(batch)
	write := copyRows
	// Retention may drop a day between its making and the next try, and under
	// load more than once.
	for try := 0; ; try++ {
		err := s.inTx(ctx, "write the log", pgx.TxOptions{}, func(tx pgx.Tx) error {
			return s.writeLog(ctx, tx, batch, days, write)
		})
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, errPosition):
			return false, nil
		case (errors.Is(err, errNoDay) || isCode(err, codeCheckViolation)) && try < 50:
			// A check fails where no partition takes a row, though its day has a
			// row that says so: somebody dropped it by hand.
			if err := s.makeDays(ctx, days); err != nil {
				return false, err
			}
		case isCode(err, codeUniqueViolation) && try < 5:
			write = mergeRows
		default:
			return false, err
		}
	}
}

// rowWriter writes the rows of a batch.
type rowWriter func(ctx context.Context, tx pgx.Tx, batch store.LogBatch) error

func (s *Store) writeLog(ctx context.Context, tx pgx.Tx, batch store.LogBatch, days []day, write rowWriter) error {
	const what = "write the log"
	if err := lockForWrite(ctx, tx, batch, days); err != nil {
		return s.wrap(ctx, what, err)
	}
	if err := write(ctx, tx, batch); err != nil {
		return s.wrap(ctx, what, err)
	}
	var last pgx.Batch
	if len(batch.Runs) > 0 {
		ids := make([]string, len(batch.Runs))
		for i := range batch.Runs {
			ids[i] = batch.Runs[i].ID
		}
		last.Queue(`DELETE FROM accepted WHERE id = ANY($1)`, ids)
	}
	if len(batch.Payloads) > 0 {
		queuePayloads(&last, batch.Payloads)
	}
	last.Queue(`UPDATE log_positions SET position = $2 WHERE stream = $1`, batch.Stream, batch.To)
	return s.wrap(ctx, what, tx.SendBatch(ctx, &last).Close())
}

// lockForWrite locks the stream's position and the days of the batch, in one
// round trip, and checks both.
func lockForWrite(ctx context.Context, tx pgx.Tx, batch store.LogBatch, days []day) error {
	var locks pgx.Batch
	locks.Queue(`INSERT INTO log_positions (stream, position) VALUES ($1, '') ON CONFLICT (stream) DO NOTHING`, batch.Stream)
	locks.Queue(`SELECT position, fence FROM log_positions WHERE stream = $1 FOR UPDATE`, batch.Stream)
	starts, projects := dayColumns(days)
	// Retention deletes such a row before it deletes the day's, so a row that
	// is locked here keeps the partitions in place until the commit.
	locks.Queue(`SELECT count(*) FROM (SELECT FROM history_days h
		JOIN unnest($1::date[], $2::text[]) AS w (day, project) ON h.day = w.day AND h.project = w.project
		FOR KEY SHARE OF h) locked`, starts, projects)
	results := tx.SendBatch(ctx, &locks)
	defer results.Close()
	if _, err := results.Exec(); err != nil {
		return err
	}
	var mark store.LogMark
	if err := results.QueryRow().Scan(&mark.Position, &mark.Fence); err != nil {
		return err
	}
	if mark != (store.LogMark{Position: batch.From, Fence: batch.Fence}) {
		return errPosition
	}
	var present int
	if err := results.QueryRow().Scan(&present); err != nil {
		return err
	}
	if present != len(days) {
		return errNoDay
	}
	return nil
}

var (
	runColumns = []string{"revision", "created_at", "started_at", "ended_at", "attempts", "recoveries", "id", "project",
		"workflow", "status", "trace_id", "user_id", "trigger", "error", "error_folded", "input", "output"}
	stepColumns = []string{"seq", "started_at", "ended_at", "retry_at", "wait_until", "attempt", "run", "project",
		"path", "step", "kind", "status", "result", "error", "attempts"}
)

// copyRows writes the rows straight into their tables. It fails when one is
// there already.
func copyRows(ctx context.Context, tx pgx.Tx, batch store.LogBatch) error {
	if err := copyInto(ctx, tx, "runs", "steps", batch); err != nil {
		return err
	}
	return copyProxyCalls(ctx, tx, "proxy_calls", batch.ProxyCalls)
}

func copyInto(ctx context.Context, tx pgx.Tx, runs, steps string, batch store.LogBatch) error {
	err := copyRowsInto(ctx, tx, runs, runColumns, len(batch.Runs), func(row *copyRow, i int) error {
		return appendRun(row, &batch.Runs[i])
	})
	if err != nil {
		return err
	}
	return copyRowsInto(ctx, tx, steps, stepColumns, len(batch.Steps), func(row *copyRow, i int) error {
		return appendStep(row, &batch.Steps[i])
	})
}

// mergeRows writes the rows beside those that are there: a run stays as it
// ended first, a step's newest record wins.
func mergeRows(ctx context.Context, tx pgx.Tx, batch store.LogBatch) error {
	_, err := tx.Exec(ctx, `CREATE TEMP TABLE new_runs (LIKE runs) ON COMMIT DROP;
		CREATE TEMP TABLE new_steps (LIKE steps) ON COMMIT DROP`)
	if err != nil {
		return err
	}
	batch.Runs, batch.Steps = column.FirstRuns(batch.Runs), column.LastSteps(batch.Steps)
	if err := copyInto(ctx, tx, "new_runs", "new_steps", batch); err != nil {
		return err
	}
	columns := strings.Join(runColumns, ", ")
	_, err = tx.Exec(ctx, `INSERT INTO runs (`+columns+`) SELECT `+columns+` FROM new_runs ON CONFLICT (project, id) DO NOTHING`)
	if err != nil {
		return err
	}
	columns = strings.Join(stepColumns, ", ")
	_, err = tx.Exec(ctx, `INSERT INTO steps (`+columns+`) SELECT `+columns+` FROM new_steps ON CONFLICT (run, seq)
		DO UPDATE SET (`+columns+`) = ROW (excluded.`+strings.Join(stepColumns, ", excluded.")+`)`)
	if err != nil {
		return err
	}
	return mergeProxyCalls(ctx, tx, batch.ProxyCalls)
}

// appendRun appends the columns of runColumns.
func appendRun(row *copyRow, r *schema.Run) error {
	row.bigint(r.Revision)
	row.time(r.CreatedAt)
	for _, at := range []*time.Time{r.StartedAt, r.EndedAt} {
		if at == nil {
			row.null()
		} else {
			row.time(*at)
		}
	}
	row.integer(r.Attempts)
	row.integer(r.Recoveries)
	row.text(r.ID)
	row.text(r.Project)
	row.text(r.Workflow)
	row.text(string(r.Status))
	row.textOrNull(r.TraceID)
	row.textOrNull(r.User)
	if err := row.encoded(&r.Trigger); err != nil {
		return err
	}
	if r.Error == nil {
		row.null()
		row.null()
	} else {
		if err := row.encoded(r.Error); err != nil {
			return err
		}
		row.text(column.Fold(r.Error.Message))
	}
	row.raw(r.Input)
	row.raw(r.Output)
	return nil
}

// appendStep appends the columns of stepColumns.
func appendStep(row *copyRow, s *store.StepRow) error {
	row.bigint(s.Seq)
	row.timeOrNull(s.StartedAt)
	row.timeOrNull(s.EndedAt)
	row.timeOrNull(s.RetryAt)
	row.timeOrNull(s.WaitUntil)
	row.integer(s.Attempt)
	row.text(s.Run)
	row.text(s.Project)
	row.text(s.Path)
	row.text(s.Step)
	row.text(s.Kind)
	row.text(string(s.Status))
	row.raw(s.Result)
	if s.Error == nil {
		row.null()
	} else if err := row.encoded(s.Error); err != nil {
		return err
	}
	if len(s.Attempts) == 0 {
		row.null()
		return nil
	}
	return row.encoded(s.Attempts)
}

// LogPosition is where a stream is written up to.
func (s *Store) LogPosition(ctx context.Context, stream string) (mark store.LogMark, err error) {
	err = s.pool.QueryRow(ctx, `SELECT position, fence FROM log_positions WHERE stream = $1`, stream).Scan(&mark.Position, &mark.Fence)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.LogMark{}, nil
	}
	return mark, s.wrap(ctx, "read a position of the log", err)
}

// FenceLog keeps out batches of the streams that were read before. The locks of
// batches under way make it wait for them.
func (s *Store) FenceLog(ctx context.Context, streams []string) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO log_positions AS p (stream, position, fence)
		SELECT stream, '', 1 FROM unnest($1::text[]) AS stream ORDER BY stream
		ON CONFLICT (stream) DO UPDATE SET fence = p.fence + 1`, streams)
	return s.wrap(ctx, "fence the log", err)
}

// day is a project's share of the partitions of one day (UTC).
type day struct {
	start   time.Time
	project string
}

func startOfDay(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// daysOf lists the days that a batch writes into, in order, so that two
// batches lock them in one order.
func daysOf(batch store.LogBatch) []day {
	days := map[day]bool{}
	// Rows come in order of time: most have the day of the one before.
	var last day
	add := func(project string, at time.Time) {
		d := day{start: startOfDay(at), project: column.Text(project)}
		if d != last {
			days[d], last = true, d
		}
	}
	for i := range batch.Runs {
		at, _ := schema.RunIDTime(batch.Runs[i].ID) // CheckBatch has checked all ids
		add(batch.Runs[i].Project, at)
	}
	for i := range batch.Steps {
		at, _ := schema.RunIDTime(batch.Steps[i].Run)
		add(batch.Steps[i].Project, at)
	}
	for i := range batch.ProxyCalls {
		at, _ := schema.ProxyCallIDTime(batch.ProxyCalls[i].ID)
		add(batch.ProxyCalls[i].Project, at)
	}
	return slices.SortedFunc(maps.Keys(days), func(a, b day) int {
		if c := a.start.Compare(b.start); c != 0 {
			return c
		}
		return strings.Compare(a.project, b.project)
	})
}

func dayColumns(days []day) (starts []time.Time, projects []string) {
	for _, d := range days {
		starts, projects = append(starts, d.start), append(projects, d.project)
	}
	return starts, projects
}
