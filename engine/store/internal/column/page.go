package column

import "strconv"

// Page is a query for a page of runs, given the query of its rows in their order
// and their columns, that ends with the run whose input and output make all of
// them together reach a number of bytes. Values that are left out are not read:
// their length is known without.
func Page(columns, rows string, bytes int64) string {
	if bytes <= 0 {
		return rows
	}
	return `SELECT ` + columns + ` FROM (SELECT *, sum(coalesce(octet_length(input), 0) + coalesce(octet_length(output), 0))
		OVER (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS above FROM (` + rows + `) AS page) AS page
		WHERE above IS NULL OR above < ` + strconv.FormatInt(bytes, 10) + ` ORDER BY id DESC`
}
