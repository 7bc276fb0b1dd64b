package deploy_test

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"gopkg.in/yaml.v3"

	"paragon/engine/metrics"
)

// offered are the metrics that there are, each with its labels; nil where they
// are not ours to know.
func offered(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": {}}
	rec := httptest.NewRecorder()
	metrics.Handler(metrics.Options{}).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(rec.Body.String(), -1) {
		all[m[1]] = nil
	}
	for _, m := range metrics.List() {
		all[m.Name] = append([]string{}, m.Labels...)
		if m.Histogram() {
			all[m.Name+"_sum"], all[m.Name+"_count"] = all[m.Name], all[m.Name]
			all[m.Name+"_bucket"] = append([]string{"le"}, m.Labels...)
			delete(all, m.Name)
		}
	}
	return all
}

// wrong says what a query names that does not exist.
func wrong(all map[string][]string, query string) []string {
	tree, err := metricsql.Parse(query)
	if err != nil {
		return []string{err.Error()}
	}
	var names, used, faults []string
	metricsql.VisitAll(tree, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				for _, f := range filters {
					if f.Label == "__name__" {
						names = append(names, f.Value)
					} else {
						used = append(used, f.Label)
					}
				}
			}
		case *metricsql.AggrFuncExpr:
			used = append(used, e.Modifier.Args...)
		case *metricsql.BinaryOpExpr:
			used = append(used, e.GroupModifier.Args...)
		}
	})
	if len(names) == 0 {
		faults = append(faults, "it names no metric")
	}
	labels := []string{"job", "instance"} // Prometheus gives these
	for _, name := range names {
		has, ok := all[name]
		if !ok {
			faults = append(faults, "there is no metric "+name)
		}
		labels = append(labels, has...)
	}
	for _, label := range used {
		if !slices.Contains(labels, label) {
			faults = append(faults, "none of its metrics has a label "+label)
		}
	}
	return faults
}

func TestWrongQueriesAreFound(t *testing.T) {
	all := offered(t)
	for query, want := range map[string]string{
		`max(paragon_queue_age) > 1`:                       "no metric paragon_queue_age",
		`max by (queue) (paragon_queue_runs)`:              "label queue",
		`paragon_workers{status="alive"}`:                  "label status",
		`rate(paragon_process_cpu_seconds[5m])`:            "no metric paragon_process_cpu_seconds",
		`max by (lane (paragon_queue_runs)`:                "",
		`1 > 0`:                                            "names no metric",
		`sum(paragon_log_bytes) unless paragon_log_byte`:   "no metric paragon_log_byte",
		`sum(paragon_log_bytes) / on (x) paragon_workers`:  "label x",
		`sum by (le) (paragon_run_duration_seconds)`:       "no metric paragon_run_duration_seconds",
		`sum by (le) (paragon_run_duration_seconds_sum)`:   "label le",
		`absent(paragon_worker{state="alive"})`:            "no metric paragon_worker",
		`sum(paragon_workers{state="alive", lane="0"}) -1`: "label lane",
	} {
		faults := wrong(all, query)
		if len(faults) == 0 || !strings.Contains(strings.Join(faults, "; "), want) {
			t.Errorf("%s: %q, want %q", query, faults, want)
		}
	}
}

type rules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// Each alert asks for metrics that exist, and says what is the matter and what
// to do.
func TestAlerts(t *testing.T) {
	d := yaml.NewDecoder(strings.NewReader(read(t, "prometheus/alerts.yaml")))
	d.KnownFields(true)
	var file rules
	if err := d.Decode(&file); err != nil || len(file.Groups) == 0 {
		t.Fatal(err, file)
	}
	all, seen := offered(t), map[string]bool{}
	for _, r := range file.Groups[0].Rules {
		if r.Alert == "" || seen[r.Alert] {
			t.Errorf("the name %q is empty or there twice", r.Alert)
		}
		seen[r.Alert] = true
		for _, fault := range wrong(all, r.Expr) {
			t.Errorf("%s: %s: %s", r.Alert, r.Expr, fault)
		}
		if r.For != "" {
			if _, err := time.ParseDuration(r.For); err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
		}
		if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
			t.Errorf("%s does not say what is the matter and what to do", r.Alert)
		}
	}
}

// The chart's scaler asks for a metric that exists: a query that finds nothing
// would leave the workers as few as they are.
func TestScalerQueries(t *testing.T) {
	queries := regexp.MustCompile(`(?m)^\s*query: (.+)$`).FindAllStringSubmatch(read(t, "helm/paragon/templates/autoscaling.yaml"), -1)
	if len(queries) == 0 {
		t.Fatal("the chart's scaler has no query")
	}
	all := offered(t)
	for _, q := range queries {
		for _, fault := range wrong(all, q[1]) {
			t.Errorf("%s: %s", q[1], fault)
		}
	}
}

type dashboard struct {
	UID        string
	Templating struct{ List []struct{ Name, Type string } }
	Panels     []struct {
		ID          int
		Title, Type string
		GridPos     struct{ X, Y, W, H int }
		Datasource  struct{ UID string }
		Targets     []struct{ Expr string }
	}
}

// Each panel asks for metrics that exist, from the data source that the
// reader chooses, and lies on no other.
func TestDashboard(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/paragon.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || len(d.Panels) == 0 || len(d.Templating.List) != 1 || d.Templating.List[0].Name != "datasource" {
		t.Fatalf("it has no uid, no panels or no choice of the data source: %+v", d)
	}
	all, ids, taken := offered(t), map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: its id is there twice, it asks nothing, another source, or leaves the screen: %+v", p.Title, p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			for _, fault := range wrong(all, target.Expr) {
				t.Errorf("panel %q: %s: %s", p.Title, target.Expr, fault)
			}
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("panel %q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
