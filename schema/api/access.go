package api

import (
	"context"
	"net/http"
	"time"

	"paragon/schema"
)

// Session answers a login: the one time its token is shown.
type Session struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
}

// LoginRequest is the body of POST /v1/auth/login.
type LoginRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// DeviceLogin answers POST /v1/auth/device: a login that a person completes in
// a browser, at the OpenID provider (RFC 8628 section 3.2).
type DeviceLogin struct {
	DeviceCode      string `json:"deviceCode"`
	UserCode        string `json:"userCode"`
	VerificationURI string `json:"verificationUri"`
	// VerificationURIComplete has the code in it already.
	VerificationURIComplete string    `json:"verificationUriComplete,omitempty"`
	ExpiresAt               time.Time `json:"expiresAt"`
	// Interval is how many seconds to wait between two questions.
	Interval int `json:"interval"`
}

// DeviceRequest is the body of POST /v1/auth/device/token.
type DeviceRequest struct {
	DeviceCode string `json:"deviceCode"`
}

// The states of a DeviceAnswer.
const (
	DevicePending  = "pending"
	DeviceSlowDown = "slowDown" // pending; ask 5 seconds less often from now on
	DeviceDone     = "done"
)

// DeviceAnswer answers POST /v1/auth/device/token: how a login stands, and
// once it is done, the session.
type DeviceAnswer struct {
	Status  string   `json:"status"`
	Session *Session `json:"session,omitempty"`
}

// AcceptRequest is the body of POST /v1/auth/accept. Name and password are
// those of a new person, or the password that a known one has.
type AcceptRequest struct {
	Token    string `json:"token"`
	Name     string `json:"name,omitempty"`
	Password string `json:"password"`
}

// Project is a project that the caller has a role in.
type Project struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// CreateProjectRequest is the body of POST /v1/projects.
type CreateProjectRequest struct {
	Name string `json:"name"`
}

// CreatedProject answers POST /v1/projects with 201.
type CreatedProject struct {
	Project
	// Token is the first owner key's, when a key made the project; empty when
	// a person did, who is its first owner.
	Token string `json:"token,omitempty"`
}

// The states of a Member.
const (
	MemberActive  = "active"
	MemberInvited = "invited"
)

// Member is a member of a project, or somebody who is invited.
type Member struct {
	Email   string    `json:"email"`
	Name    string    `json:"name,omitempty"`
	Role    string    `json:"role"`
	Status  string    `json:"status"`
	AddedAt time.Time `json:"addedAt"`
	AddedBy string    `json:"addedBy,omitempty"`
	// ExpiresAt ends an invitation.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// InviteRequest is the body of POST …/members.
type InviteRequest struct {
	Email string `json:"email"`
	Role  string `json:"role" enum:"owner,admin,developer,operator,viewer"`
}

// Invitation answers POST …/members with 201: the one time its token is shown.
type Invitation struct {
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	ExpiresAt time.Time `json:"expiresAt"`
	Token     string    `json:"token"`
}

// SetRoleRequest is the body of PUT …/members/{email}.
type SetRoleRequest struct {
	Role string `json:"role" enum:"owner,admin,developer,operator,viewer"`
}

// RotateKeyRequest is the body of POST …/keys/{id}/rotate.
type RotateKeyRequest struct {
	// OverlapSeconds is how long the old token still counts; 0: not at all.
	OverlapSeconds int64 `json:"overlapSeconds,omitempty" minimum:"0" maximum:"2592000"`
}

// Login logs a person in by password.
func (c *Client) Login(ctx context.Context, email, password string) (*Session, error) {
	return postOnce[Session](ctx, c, "/v1/auth/login", LoginRequest{Email: email, Password: password})
}

// StartDevice begins a login at the server's OpenID provider.
func (c *Client) StartDevice(ctx context.Context) (*DeviceLogin, error) {
	return postOnce[DeviceLogin](ctx, c, "/v1/auth/device", nil)
}

// AwaitDevice asks how the login stands, as often as the provider allows,
// until it is done, refused or too late.
func (c *Client) AwaitDevice(ctx context.Context, login *DeviceLogin) (*Session, error) {
	interval := time.Duration(max(login.Interval, 1)) * time.Second
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
		answer, err := postOnce[DeviceAnswer](ctx, c, "/v1/auth/device/token", DeviceRequest{DeviceCode: login.DeviceCode})
		if err != nil {
			return nil, err
		}
		if answer.Session != nil {
			return answer.Session, nil
		}
		if answer.Status == DeviceSlowDown {
			interval += 5 * time.Second // RFC 8628 section 3.5
		}
		timer.Reset(interval)
	}
}

// Accept accepts an invitation.
func (c *Client) Accept(ctx context.Context, req AcceptRequest) (*Session, error) {
	return postOnce[Session](ctx, c, "/v1/auth/accept", req)
}

// Logout ends the session of the client's token.
func (c *Client) Logout(ctx context.Context) error {
	return c.do(ctx, &call{method: http.MethodPost, path: "/v1/auth/logout"})
}

// Projects lists the projects that the caller has a role in.
func (c *Client) Projects(ctx context.Context) (*List[Project], error) {
	return get[List[Project]](ctx, c, "/v1/projects", nil)
}

// CreateProject makes a project.
func (c *Client) CreateProject(ctx context.Context, name string) (*CreatedProject, error) {
	return post[CreatedProject](ctx, c, "/v1/projects", CreateProjectRequest{Name: name})
}

// Settings shows the project's settings.
func (c *Client) Settings(ctx context.Context) (*schema.ProjectSettings, error) {
	return get[schema.ProjectSettings](ctx, c, c.path("settings"), nil)
}

// SetSettings replaces the project's settings. It needs an owner of the
// default project.
func (c *Client) SetSettings(ctx context.Context, settings schema.ProjectSettings) (*schema.ProjectSettings, error) {
	return send[schema.ProjectSettings](ctx, c, &call{method: http.MethodPut, path: c.path("settings"), key: NewIdempotencyKey()}, settings)
}

// Members lists the project's members, and who is invited.
func (c *Client) Members(ctx context.Context) (*List[Member], error) {
	return get[List[Member]](ctx, c, c.path("members"), nil)
}

// Invite makes an invitation. The answer is the one place where its token is
// ever shown.
func (c *Client) Invite(ctx context.Context, email, role string) (*Invitation, error) {
	return post[Invitation](ctx, c, c.path("members"), InviteRequest{Email: email, Role: role})
}

// SetRole gives a member another role.
func (c *Client) SetRole(ctx context.Context, email, role string) (*Member, error) {
	return send[Member](ctx, c, &call{method: http.MethodPut, path: c.path("members", email), again: true}, SetRoleRequest{Role: role})
}

// RemoveMember ends a membership, or takes an invitation back.
func (c *Client) RemoveMember(ctx context.Context, email string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: c.path("members", email), key: NewIdempotencyKey()})
}

// RotateKey makes a key that may what an old one may, whose token counts for
// the overlap only.
func (c *Client) RotateKey(ctx context.Context, id string, overlap time.Duration) (*CreatedKey, error) {
	return post[CreatedKey](ctx, c, c.path("keys", id, "rotate"), RotateKeyRequest{OverlapSeconds: int64(overlap / time.Second)})
}
