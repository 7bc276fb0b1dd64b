package fakeserver

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// destinationRoutes are the routes of what was sent to destinations. One whose
// name begins with "down" is disabled until it is resumed, and takes no test;
// nobody sends to one that begins with "slow".
func (s *Server) destinationRoutes(project string) map[string]func(http.ResponseWriter, *http.Request) error {
	one := project + "/destinations/{name}"
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET " + project + "/destination-status": s.listDestinations,
		"GET " + one + "/status":                 s.destinationStatus,
		"GET " + one + "/deliveries":             s.listDeliveries,
		"POST " + one + "/resume":                s.resumeDestination,
		"POST " + one + "/test":                  s.testDestination,
	}
}

func (s *Server) destination(name string) (api.Destination, error) {
	if s.current(schema.Ref{Kind: schema.KindDestination, Name: name}) == nil {
		return api.Destination{}, problem(404, schema.ProblemNotFound, "destination %q does not exist", name)
	}
	d := api.Destination{Name: name, Kind: "webhook", DestinationStatus: api.DestinationStatus{State: api.DestinationActive,
		Last: &api.Delivery{ID: "msg_2", State: api.DeliveryDelivered, Events: 12, CreatedAt: Now.Add(-time.Hour), Attempts: 1, LastAttempt: Now.Add(-time.Hour), Status: 200}}}
	if strings.HasPrefix(name, "down") && !s.resumed[name] {
		d.State, d.Reason, d.Waiting = api.DestinationDisabled, "no message arrived for 72h", 7
		d.DisabledAt, d.FailingSince = Now.Add(-time.Hour), Now.Add(-73*time.Hour)
		d.Last.State, d.Last.Error, d.Last.Status, d.Last.Attempts = api.DeliveryPending, "it answered 503 Service Unavailable", 503, 77
	}
	return d, nil
}

func (s *Server) listDestinations(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := api.List[api.Destination]{Items: []api.Destination{}}
	for ref := range s.resources {
		if d, err := s.destination(ref.Name); ref.Kind == schema.KindDestination && err == nil {
			list.Items = append(list.Items, d)
		}
	}
	slices.SortFunc(list.Items, func(a, b api.Destination) int { return strings.Compare(a.Name, b.Name) })
	return answer(w, http.StatusOK, list)
}

func (s *Server) destinationStatus(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.destination(r.PathValue("name"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, d)
}

func (s *Server) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.destination(r.PathValue("name"))
	if err != nil {
		return err
	}
	test := tested()
	switch {
	case strings.HasPrefix(d.Name, "down"):
		test.State, test.Attempts, test.Status, test.Error = api.DeliveryFailed, 1, 503, "it answered 503 Service Unavailable"
	case !strings.HasPrefix(d.Name, "slow"):
		test.State, test.Attempts, test.Status = api.DeliveryDelivered, 1, 200
	}
	return answer(w, http.StatusOK, api.List[api.Delivery]{Items: []api.Delivery{test, *d.Last}})
}

func (s *Server) resumeDestination(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.destination(r.PathValue("name")); err != nil {
		return err
	}
	if s.resumed == nil {
		s.resumed = map[string]bool{}
	}
	s.resumed[r.PathValue("name")] = true
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) testDestination(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.destination(r.PathValue("name")); err != nil {
		return err
	}
	return answer(w, http.StatusAccepted, tested())
}

func tested() api.Delivery {
	return api.Delivery{ID: "msg_3", Test: true, State: api.DeliveryPending, CreatedAt: Now}
}
