package test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	corev1 "k8s.io/api/core/v1"
)

// The chart is what helm lint calls clean, with the values of a whole
// installation, too.
func TestLint(t *testing.T) {
	production, err := chartutil.ReadValuesFile("../production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range []map[string]any{nil, production} {
		result := lint.AllWithKubeVersion("../paragon", values, "paragon", &chartutil.KubeVersion{Version: "v1.27.0", Major: "1", Minor: "27"})
		for _, m := range result.Messages {
			if m.Severity > support.InfoSev {
				t.Error(m)
			}
		}
	}
}

// variable is what a role's container gets under a name: its value, or the
// Secret and the key with it; empty when it gets none.
func (o *objects) variable(role, name string) string {
	for _, e := range o.deployments["prod-paragon-"+role].Spec.Template.Spec.Containers[0].Env {
		switch {
		case e.Name != name:
		case e.ValueFrom != nil:
			return e.ValueFrom.SecretKeyRef.Name + " " + e.ValueFrom.SecretKeyRef.Key
		default:
			return e.Value
		}
	}
	return ""
}

func (o *objects) expect(t *testing.T, role string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := o.variable(role, name); got != value {
			t.Errorf("%s: %s is %q, want %q", role, name, got, value)
		}
	}
}

// Only the scheduler sends mail, so only it has the server's password.
func TestMail(t *testing.T) {
	o := render(t, "smtp: {secretName: mail, from: Paragon <paragon@example.com>}")
	o.expect(t, "scheduler", map[string]string{"PARAGON_SMTP": "mail url", "PARAGON_SMTP_FROM": "Paragon <paragon@example.com>"})
	for _, role := range []string{"api", "worker", "flusher"} {
		o.expect(t, role, map[string]string{"PARAGON_SMTP": "", "PARAGON_SMTP_FROM": ""})
	}
	refused(t, "smtp: {secretName: mail}", "smtp.from is missing")
}

// All roles have the same object storage, and what signs comes from a Secret.
func TestPayloadsInABucket(t *testing.T) {
	const address = "s3://bucket/prefix?endpoint=https://minio:9000&region=eu-central-1"
	o := render(t, "payloads: {address: '"+address+"', secretName: s3}\nserviceAccountName: paragon")
	for role := range strings.FieldsSeq("api worker scheduler flusher") {
		o.expect(t, role, map[string]string{
			"PARAGON_PAYLOADS": address, "AWS_ACCESS_KEY_ID": "s3 accessKeyId", "AWS_SECRET_ACCESS_KEY": "s3 secretAccessKey",
		})
		if got := o.deployments["prod-paragon-"+role].Spec.Template.Spec.ServiceAccountName; got != "paragon" {
			t.Errorf("%s: the service account is %q", role, got)
		}
	}
	o = render(t, "payloads: {address: s3://bucket}")
	o.expect(t, "worker", map[string]string{"PARAGON_PAYLOADS": "s3://bucket", "AWS_ACCESS_KEY_ID": ""})
	refused(t, "payloads: {address: s3://bucket, volume: {enabled: true}}", "choose one")
}

// A directory is one volume that the pods of all nodes share: another kind of
// volume is refused, unless all pods are on one node.
func TestPayloadsInADirectory(t *testing.T) {
	o := render(t, "payloads: {volume: {enabled: true, size: 5Gi, storageClassName: nfs}}")
	claim := o.claims["prod-paragon-payloads"]
	if claim == nil || !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}) ||
		claim.Spec.Resources.Requests.Storage().String() != "5Gi" || *claim.Spec.StorageClassName != "nfs" || claim.Annotations["helm.sh/resource-policy"] != "keep" {
		t.Fatalf("the claim: %+v", claim)
	}
	for role := range strings.FieldsSeq("api worker scheduler flusher") {
		o.expect(t, role, map[string]string{"PARAGON_PAYLOADS": "dir:/var/lib/paragon/payloads"})
		o.mounts(t, role, "prod-paragon-payloads")
	}
	o = render(t, "payloads: {volume: {enabled: true, claimName: mine}}")
	if len(o.claims) != 0 {
		t.Errorf("a second claim is made: %+v", o.claims)
	}
	o.mounts(t, "worker", "mine")
	const once = "payloads: {volume: {enabled: true, accessMode: ReadWriteOnce}}"
	refused(t, once, "ties the volume to one node")
	if o = render(t, once+"\nnodeSelector: {kubernetes.io/hostname: one}"); o.claims["prod-paragon-payloads"] == nil {
		t.Error("one node may have a volume of its own")
	}
}

// mounts checks that a role has a claim where its values are.
func (o *objects) mounts(t *testing.T, role, claim string) {
	t.Helper()
	pod := o.deployments["prod-paragon-"+role].Spec.Template.Spec
	v := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "payloads" })
	m := slices.IndexFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "payloads" })
	if v < 0 || m < 0 || pod.Volumes[v].PersistentVolumeClaim.ClaimName != claim || pod.Containers[0].VolumeMounts[m].MountPath != "/var/lib/paragon/payloads" || pod.Containers[0].VolumeMounts[m].ReadOnly {
		t.Errorf("%s does not write to %s: %+v %+v", role, claim, pod.Volumes, pod.Containers[0].VolumeMounts)
	}
}

// The values of an installation with everything render, and its policy lets
// through what they name: names, Postgres, Redis, object storage, the collector,
// mail, third parties.
func TestProduction(t *testing.T) {
	text, err := os.ReadFile("../production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o := render(t, string(text))
	var open []int
	for _, rule := range o.policies["prod-paragon"].Spec.Egress {
		for _, p := range rule.Ports {
			open = append(open, p.Port.IntValue())
		}
	}
	slices.Sort(open)
	if want := []int{53, 53, 443, 587, 4318, 5432, 6379, 9000}; !slices.Equal(open, want) {
		t.Errorf("the policy opens %v, want %v", open, want)
	}
	o.expect(t, "scheduler", map[string]string{"PARAGON_SMTP": "paragon-smtp url", "PARAGON_PUBLIC_URL": "https://paragon.example.com"})
	o.expect(t, "worker", map[string]string{"AWS_SECRET_ACCESS_KEY": "paragon-payloads secretAccessKey"})
}
