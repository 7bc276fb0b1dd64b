package main

import (
	"fmt"
	"strings"

	"paragon/engine/metrics"
)

// metricTable lists the metrics of a process.
func metricTable() string {
	var b strings.Builder
	b.WriteString("| name | labels | |\n|---|---|---|\n")
	for _, m := range metrics.List() {
		labels := make([]string, len(m.Labels))
		for i, l := range m.Labels {
			labels[i] = "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, strings.Join(labels, ", "), m.Help)
	}
	return b.String()
}
