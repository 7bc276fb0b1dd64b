package api

import (
	"context"
	"net/http"
	"time"
)

// The states of a destination.
const (
	// DestinationActive says that the last message arrived, or none was sent.
	DestinationActive = "active"
	// DestinationFailing says that the message on its way is tried again.
	DestinationFailing = "failing"
	// DestinationDisabled says that nothing is sent until it is resumed.
	DestinationDisabled = "disabled"
)

// The states of a delivery.
const (
	DeliveryPending   = "pending"
	DeliveryDelivered = "delivered"
	DeliveryFailed    = "failed"
)

// Destination is a destination and how sending to it goes.
type Destination struct {
	Name string `json:"name"`
	// Kind is webhook or email.
	Kind string `json:"kind"`
	DestinationStatus
}

// DestinationStatus is how sending to a destination goes.
type DestinationStatus struct {
	// State is active, failing or disabled.
	State string `json:"state"`
	// Reason says why it is disabled.
	Reason string `json:"reason,omitempty"`
	// FailingSince is when the first of the attempts failed that failed in a row.
	FailingSince time.Time `json:"failingSince,omitzero"`
	DisabledAt   time.Time `json:"disabledAt,omitzero"`
	// Waiting is how many events wait for the next message.
	Waiting int64 `json:"waiting"`
	// Last is the newest delivery.
	Last *Delivery `json:"last,omitempty"`
}

// Delivery is a message to a destination, and what came of it.
type Delivery struct {
	// ID is the same at each attempt: webhook-id, or the Message-ID of an e-mail.
	ID string `json:"id"`
	// Test marks one that was asked for.
	Test bool `json:"test,omitempty"`
	// State is pending, delivered or, for a test, failed.
	State string `json:"state"`
	// Events is how many events it tells of.
	Events    int64     `json:"events"`
	CreatedAt time.Time `json:"createdAt"`
	// Attempts is how often it was sent so far, LastAttempt when last.
	Attempts    int       `json:"attempts"`
	LastAttempt time.Time `json:"lastAttempt,omitzero"`
	// NextAttempt is when it is sent again.
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	// Status is the HTTP status of the last attempt, Error why it failed.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Destinations lists the destinations of the project, by name, with how sending
// to each goes.
func (c *Client) Destinations(ctx context.Context) (*List[Destination], error) {
	return get[List[Destination]](ctx, c, c.path("destination-status"), nil)
}

// DestinationStatus reads one of them.
func (c *Client) DestinationStatus(ctx context.Context, name string) (*Destination, error) {
	return get[Destination](ctx, c, c.path("destinations", name, "status"), nil)
}

// Deliveries lists the latest messages to a destination, the newest first.
func (c *Client) Deliveries(ctx context.Context, name string) (*List[Delivery], error) {
	return get[List[Delivery]](ctx, c, c.path("destinations", name, "deliveries"), nil)
}

// ResumeDestination lets a destination that was disabled be tried at once.
func (c *Client) ResumeDestination(ctx context.Context, name string) error {
	return c.steer(ctx, []string{"destinations", name, "resume"})
}

// TestDestination has a message sent to a destination. Whether it arrived is in
// its deliveries.
func (c *Client) TestDestination(ctx context.Context, name string) (*Delivery, error) {
	// Without a key, whose answer would be kept in Postgres: a test can be asked
	// for while that is away, and one that is on its way is not sent twice.
	return send[Delivery](ctx, c, &call{method: http.MethodPost, path: c.path("destinations", name, "test"), again: true}, nil)
}
