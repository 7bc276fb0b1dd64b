package cache

import "paragon/workflows"

// secretSpec is the spec of a Secret in the store and in Redis.
type secretSpec struct {
	Sealed []byte `json:"sealed"`
	// Past has the values of before, the newest last.
	Past [][]byte `json:"past,omitempty"`
}

// SecretPlace is what the value of a secret is bound to besides its project.
func SecretPlace(name string) []string { return []string{"Secret", name} }

// compile makes the workflow of a stored spec.
func compile(project, name string, e resourceEntry, doc document) *Workflow {
	w := &Workflow{
		Workflow: &workflows.Workflow{Name: name},
		Project:  project, Revision: e.revision, Labels: doc.Labels, digest: e.digest,
	}
	compiled, err := workflows.CompileSpec(name, doc.Spec)
	if err != nil {
		w.Broken = err
		return w
	}
	w.Workflow = compiled
	return w
}

// compileIntegration makes the integration of a stored spec.
func compileIntegration(name string, e resourceEntry, doc document) *Integration {
	i := &Integration{Integration: &workflows.Integration{Name: name}, Revision: e.revision, digest: e.digest}
	compiled, err := workflows.CompileIntegration(name, doc.Spec)
	if err != nil {
		i.Broken = err
		return i
	}
	i.Integration = compiled
	return i
}

// compileDestination makes the destination of a stored spec.
func compileDestination(name string, e resourceEntry, doc document) *Destination {
	d := &Destination{Destination: &workflows.Destination{Name: name}, Revision: e.revision, digest: e.digest}
	compiled, err := workflows.CompileDestination(name, doc.Spec)
	if err != nil {
		d.Broken = err
		return d
	}
	d.Destination = compiled
	return d
}
