package httpapi

import (
	"context"
	"slices"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// fakeDestinations knows one destination, hook, and notes what it is asked for.
type fakeDestinations struct{ asked []string }

var disabled = api.Destination{Name: "hook", Kind: "webhook", DestinationStatus: api.DestinationStatus{State: api.DestinationDisabled, Reason: "gone",
	Waiting: 7, Last: &api.Delivery{ID: "msg_1", State: api.DeliveryPending, Events: 3, Attempts: 2, CreatedAt: time.Unix(1531420618, 0).UTC()}}}

func (f *fakeDestinations) known(name string) error {
	if name != "hook" {
		return &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: 404}
	}
	return nil
}

func (f *fakeDestinations) Destinations(context.Context, string) ([]api.Destination, error) {
	return []api.Destination{disabled}, nil
}

func (f *fakeDestinations) Status(_ context.Context, _, name string) (*api.Destination, error) {
	return &disabled, f.known(name)
}

func (f *fakeDestinations) Deliveries(_ context.Context, _, name string) ([]api.Delivery, error) {
	return []api.Delivery{*disabled.Last}, f.known(name)
}

func (f *fakeDestinations) Resume(_ context.Context, project, name string) error {
	f.asked = append(f.asked, "resume "+project+"/"+name)
	return f.known(name)
}

func (f *fakeDestinations) Test(_ context.Context, project, name string) (*api.Delivery, error) {
	f.asked = append(f.asked, "test "+project+"/"+name)
	return &api.Delivery{ID: "msg_2", Test: true, State: api.DeliveryPending}, f.known(name)
}

func TestDestinationRoutes(t *testing.T) {
	r := newRig(t)
	const base = "/v1/projects/default"
	var list api.List[api.Destination]
	want(t, r.do("viewer", "GET", base+"/destination-status", ""), 200, &list)
	if len(list.Items) != 1 || list.Items[0].State != api.DestinationDisabled || list.Items[0].Last.ID != "msg_1" {
		t.Errorf("%+v", list)
	}
	var one api.Destination
	want(t, r.do("viewer", "GET", base+"/destinations/hook/status", ""), 200, &one)
	var sent api.List[api.Delivery]
	want(t, r.do("viewer", "GET", base+"/destinations/hook/deliveries", ""), 200, &sent)
	if one.Waiting != 7 || len(sent.Items) != 1 || sent.Items[0].Attempts != 2 {
		t.Errorf("%+v %+v", one, sent)
	}
	wantProblem(t, r.do("viewer", "POST", base+"/destinations/hook/resume", ""), 403, "")
	want(t, r.do("operator", "POST", base+"/destinations/hook/resume", ""), 204, nil)
	var d api.Delivery
	want(t, r.do("operator", "POST", base+"/destinations/hook/test", ""), 202, &d)
	if !d.Test || !slices.Equal(r.told.asked, []string{"resume default/hook", "test default/hook"}) {
		t.Errorf("%+v, asked %v", d, r.told.asked)
	}
	for _, path := range []string{"/status", "/deliveries"} {
		wantProblem(t, r.do("viewer", "GET", base+"/destinations/nowhere"+path, ""), 404, "")
	}
	var audit api.List[api.AuditRecord]
	want(t, r.do("owner", "GET", base+"/audit?object=destination/hook&action=resume&outcome=done", ""), 200, &audit)
	if len(audit.Items) != 1 {
		t.Errorf("the audit log has %+v", audit)
	}
}
