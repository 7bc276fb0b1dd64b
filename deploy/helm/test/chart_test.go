package test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// rendered is where the release check reads what the chart gave, to validate it by
// the schemas of several Kubernetes.
var rendered = flag.String("rendered", "", "a folder to write the rendered objects to")

// objects are what a rendering gives, by kind and name.
type objects struct {
	deployments map[string]*appsv1.Deployment
	scalers     map[string]*autoscalingv2.HorizontalPodAutoscaler
	budgets     map[string]*policyv1.PodDisruptionBudget
	policies    map[string]*networkingv1.NetworkPolicy
	services    map[string]*corev1.Service
	jobs        map[string]*batchv1.Job
	claims      map[string]*corev1.PersistentVolumeClaim
	keda        map[string]*scaledObject
}

// scaledObject is what of KEDA's kind the chart uses; its own module would bring
// a control plane with it.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef  struct{ Name string }
		MinReplicaCount int
		MaxReplicaCount int
		CooldownPeriod  int
		Triggers        []struct {
			Type       string
			MetricType string
			Metadata   map[string]string
		}
	}
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir("../paragon")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values checks values by the schema and adds the defaults.
func values(t *testing.T, c *chart.Chart, text string) (chartutil.Values, error) {
	t.Helper()
	given, err := chartutil.ReadValues([]byte(text))
	if err != nil {
		t.Fatalf("the test's values: %v", err)
	}
	options := chartutil.ReleaseOptions{Name: "prod", Namespace: "paragon", IsInstall: true}
	return chartutil.ToRenderValues(c, given, options, chartutil.DefaultCapabilities)
}

func render(t *testing.T, text string) *objects {
	t.Helper()
	c := load(t)
	all, err := values(t, c, text)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	out := &objects{
		map[string]*appsv1.Deployment{}, map[string]*autoscalingv2.HorizontalPodAutoscaler{}, map[string]*policyv1.PodDisruptionBudget{},
		map[string]*networkingv1.NetworkPolicy{}, map[string]*corev1.Service{}, map[string]*batchv1.Job{}, map[string]*corev1.PersistentVolumeClaim{}, map[string]*scaledObject{},
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(files[name], -1) {
			if strings.TrimSpace(document) != "" {
				out.add(t, name, document)
				keep(t, name, document)
			}
		}
	}
	return out
}

// keep writes a document into the folder of the test; those of KEDA are left out,
// whose schema is KEDA's.
func keep(t *testing.T, name, document string) {
	t.Helper()
	if *rendered == "" || strings.Contains(document, "apiVersion: keda.sh/") {
		return
	}
	f, err := os.CreateTemp(*rendered, t.Name()+"-*-"+filepath.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(document); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func (o *objects) add(t *testing.T, file, document string) {
	t.Helper()
	var head metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(document), &head); err != nil {
		t.Fatalf("%s: %v\n%s", file, err, document)
	}
	switch head.APIVersion + " " + head.Kind {
	case "apps/v1 Deployment":
		take(t, file, document, o.deployments)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		take(t, file, document, o.scalers)
	case "policy/v1 PodDisruptionBudget":
		take(t, file, document, o.budgets)
	case "networking.k8s.io/v1 NetworkPolicy":
		take(t, file, document, o.policies)
	case "v1 Service":
		take(t, file, document, o.services)
	case "batch/v1 Job":
		take(t, file, document, o.jobs)
	case "v1 PersistentVolumeClaim":
		take(t, file, document, o.claims)
	case "keda.sh/v1alpha1 ScaledObject":
		take(t, file, document, o.keda)
	case " ": // only comments
	default:
		t.Errorf("%s has a %s of %s, which this test does not know", file, head.Kind, head.APIVersion)
	}
}

// take reads an object, every field of which must be known.
func take[T any, P interface {
	*T
	GetName() string
}](t *testing.T, file, document string, into map[string]P) {
	t.Helper()
	object := P(new(T))
	if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
		t.Errorf("%s: %v\n%s", file, err, document)
		return
	}
	if into[object.GetName()] != nil {
		t.Errorf("%s: a second %T is named %s", file, object, object.GetName())
	}
	into[object.GetName()] = object
}

func names[T any](of map[string]T) string { return strings.Join(slices.Sorted(maps.Keys(of)), " ") }

const roles = "prod-paragon-api prod-paragon-flusher prod-paragon-scheduler prod-paragon-worker"

func TestByDefault(t *testing.T) {
	o := render(t, "")
	if got := names(o.deployments); got != roles {
		t.Errorf("deployments: %s", got)
	}
	if got := names(o.budgets); got != roles {
		t.Errorf("disruption budgets: %s", got)
	}
	if len(o.scalers)+len(o.keda)+len(o.claims) != 0 || names(o.jobs) != "prod-paragon-migrate" || names(o.policies) != "prod-paragon" || names(o.services) != "prod-paragon" {
		t.Errorf("%+v", o)
	}
	for name, d := range o.deployments {
		role := strings.TrimPrefix(name, "prod-paragon-")
		pod := d.Spec.Template.Spec
		secured(t, name, &pod)
		c := pod.Containers[0]
		if !slices.Contains(c.Args, "--roles="+role) || !slices.Contains(c.Args, "--strict") || c.Image != "paragon:0.1.0" {
			t.Errorf("%s: %s %v", name, c.Image, c.Args)
		}
		if *d.Spec.Replicas != 2 || *pod.TerminationGracePeriodSeconds != 45 {
			t.Errorf("%s: %d replicas, %d s to stop", name, *d.Spec.Replicas, *pod.TerminationGracePeriodSeconds)
		}
		hasPostgres := slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "PARAGON_POSTGRES" })
		if needs := role == "api" || role == "flusher"; hasPostgres != needs {
			t.Errorf("%s has the URL of Postgres: %v", name, hasPostgres)
		}
		for _, e := range c.Env {
			if strings.Contains(e.Name, "MASTER_KEY") && e.Value != "/etc/paragon/master/key" {
				t.Errorf("%s: the master key is no file: %+v", name, e)
			}
		}
		selects(t, name, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		selects(t, name, o.budgets[name].Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		selects(t, name, o.policies["prod-paragon"].Spec.PodSelector.MatchLabels, d.Spec.Template.Labels)
	}
	selects(t, "service", o.services["prod-paragon"].Spec.Selector, o.deployments["prod-paragon-api"].Spec.Template.Labels)
	job := o.jobs["prod-paragon-migrate"]
	secured(t, "migrate", &job.Spec.Template.Spec)
	if job.Annotations["helm.sh/hook"] != "pre-install,pre-upgrade" || !slices.Equal(job.Spec.Template.Spec.Containers[0].Args, []string{"migrate"}) {
		t.Errorf("the migration: %v %v", job.Annotations, job.Spec.Template.Spec.Containers[0].Args)
	}
}

// selects checks that a selector finds its pods.
func selects(t *testing.T, what string, selector, labels map[string]string) {
	t.Helper()
	if len(selector) == 0 {
		t.Errorf("%s selects everything", what)
	}
	for name, value := range selector {
		if labels[name] != value {
			t.Errorf("%s: selector %s=%s, the pods have %q", what, name, value, labels[name])
		}
	}
}

// secured checks what Kubernetes' restricted policy asks for.
func secured(t *testing.T, what string, pod *corev1.PodSpec) {
	t.Helper()
	p := pod.SecurityContext
	if p == nil || !*p.RunAsNonRoot || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: the pod may too much: %+v", what, p)
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: container %s may too much: %+v", what, c.Name, s)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: container %s has no bounds", what, c.Name)
		}
	}
}

func TestScaling(t *testing.T) {
	o := render(t, "roles: {api: {autoscaling: {enabled: true, minReplicas: 3}}}\nkeda: {enabled: true, queueAgeSeconds: 9}")
	if names(o.scalers) != "prod-paragon-api" || *o.scalers["prod-paragon-api"].Spec.MinReplicas != 3 {
		t.Errorf("autoscalers: %s", names(o.scalers))
	}
	k := o.keda["prod-paragon-worker"]
	if k == nil || k.Spec.ScaleTargetRef.Name != "prod-paragon-worker" || k.Spec.Triggers[0].Metadata["threshold"] != "9" ||
		k.Spec.Triggers[0].Metadata["query"] != "max(paragon_queue_oldest_seconds)" {
		t.Errorf("KEDA: %+v", k)
	}
	for name, d := range o.deployments {
		scaled := name == "prod-paragon-api" || name == "prod-paragon-worker"
		if (d.Spec.Replicas == nil) != scaled {
			t.Errorf("%s: replicas are set beside a scaler, or by nobody", name)
		}
	}
	refused(t, "roles: {worker: {autoscaling: {enabled: true}}}\nkeda: {enabled: true}", "choose one")
}

// refused checks that the chart does not render values that the schema takes,
// and says why.
func refused(t *testing.T, text, why string) {
	t.Helper()
	c := load(t)
	all, err := values(t, c, text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (engine.Engine{Strict: true}).Render(c, all); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v; want %q", text, err, why)
	}
}

func TestEverythingSet(t *testing.T) {
	o := render(t, `
image: {repository: registry.example.com/paragon, tag: v1.2.3, pullSecrets: [registry]}
secretName: other
lanes: 8
strict: false
lingerSeconds: 10
drainSeconds: 60
keepHistory: [30d, shop=90d]
allowPrivate: [10.1.2.3/32]
otlpEndpoint: http://collector:4318
traceShare: 0.01
tls: {secretName: paragon-tls}
roles: {worker: {extraArgs: ["--capacity=2000"], env: [{name: GOMEMLIMIT, value: 1GiB}]}}
service: {type: LoadBalancer, port: 443}
podDisruptionBudget: {enabled: false}
networkPolicy: {from: [{podSelector: {matchLabels: {app: shop}}}], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}
migrate: {enabled: false}
podAnnotations: {team: growth}
nodeSelector: {disk: ssd}
tolerations: [{key: dedicated, operator: Exists}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
priorityClassName: high
`)
	if len(o.jobs)+len(o.budgets) != 0 {
		t.Errorf("what was switched off is there: %+v", o)
	}
	w := o.deployments["prod-paragon-worker"].Spec.Template
	c := w.Spec.Containers[0]
	for _, want := range []string{"--lanes=8", "--linger=10s", "--drain=60s", "--allow-private=10.1.2.3/32", "--otlp-endpoint=http://collector:4318", "--trace-share=0.01", "--capacity=2000"} {
		if !slices.Contains(c.Args, want) {
			t.Errorf("the worker's arguments %v lack %s", c.Args, want)
		}
	}
	if slices.Contains(c.Args, "--strict") || c.Image != "registry.example.com/paragon:v1.2.3" || *w.Spec.TerminationGracePeriodSeconds != 85 ||
		c.ReadinessProbe.HTTPGet.Scheme != corev1.URISchemeHTTPS || w.Annotations["team"] != "growth" || w.Spec.NodeSelector["disk"] != "ssd" ||
		w.Spec.PriorityClassName != "high" || len(w.Spec.Tolerations) != 1 || len(w.Spec.TopologySpreadConstraints) != 1 {
		t.Errorf("the worker: %+v", w)
	}
	if f := o.deployments["prod-paragon-flusher"].Spec.Template.Spec.Containers[0]; !slices.Contains(f.Args, "--keep-history=30d,shop=90d") {
		t.Errorf("the flusher's arguments: %v", f.Args)
	}
	n := o.policies["prod-paragon"].Spec
	if len(n.PolicyTypes) != 2 || n.Ingress[0].From[0].PodSelector.MatchLabels["app"] != "shop" || len(n.Egress) != 2 || n.Egress[0].Ports[0].Port.IntValue() != 53 {
		t.Errorf("the network policy: %+v", n)
	}
}

// What the chart does not know is refused, rather than left out.
func TestWrongValues(t *testing.T) {
	for _, text := range []string{
		"lane: 4", "lanes: 0", "lanes: four", "secretName: ''", "roles: {cook: {replicas: 1}}", "roles: {api: {replicas: -1}}",
		"logLevel: loud", "traceShare: 2", "otlpEndpoint: collector:4318", "keepHistory: [a month]", "service: {port: 0}",
		"roles: {api: {extraArgs: [serve]}}", "image: {pullPolicy: Sometimes}", "keda: {enable: true}",
		"smtp: {url: 'smtp://mail'}", "payloads: {address: /srv/payloads}", "payloads: {volume: {accessMode: ReadOnlyMany}}", "publicUrl: paragon.example.com",
	} {
		if _, err := values(t, load(t), text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
