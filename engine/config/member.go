package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// InvitationPrefix begins the token of an invitation.
const InvitationPrefix = "pgi_"

// invitationLife is how long an invitation stands.
const invitationLife = 7 * 24 * time.Hour

// Members lists a project's members, then who is invited.
func (s *Service) Members(ctx context.Context, project string) ([]api.Member, error) {
	members, err := s.store.MembersOf(ctx, project)
	if err != nil {
		return nil, storeError("list members", err)
	}
	invitations, err := s.store.InvitationsOf(ctx, project)
	if err != nil {
		return nil, storeError("list members", err)
	}
	list := make([]api.Member, 0, len(members)+len(invitations))
	for _, m := range members {
		list = append(list, api.Member{Email: m.Email, Name: m.Name, Role: m.Role, Status: api.MemberActive, AddedAt: m.AddedAt, AddedBy: m.AddedBy})
	}
	for _, i := range invitations {
		list = append(list, api.Member{Email: i.Email, Role: i.Role, Status: api.MemberInvited, AddedAt: i.CreatedAt, AddedBy: i.CreatedBy, ExpiresAt: i.ExpiresAt})
	}
	return list, nil
}

// Invite makes an invitation and returns its token, the one time it is known.
// An actor can't hand out more than it has.
func (s *Service) Invite(ctx context.Context, actor Actor, project string, req api.InviteRequest) (*api.Invitation, error) {
	email, role := foldEmail(req.Email), Role(req.Role)
	if !validEmail(email) {
		return nil, invalid(fmt.Sprintf("%q is not an email address", cut(req.Email, 100)), nil)
	}
	if err := s.mayHandOut(ctx, actor, project, "invite", "member/"+email, role); err != nil {
		return nil, err
	}
	_, token, err := newToken(InvitationPrefix)
	if err != nil {
		return nil, err
	}
	hash, now := HashToken(token), s.now().UTC()
	inv := store.Invitation{Hash: hash[:], Project: project, Email: email, Role: string(role), CreatedAt: now, CreatedBy: actor.Name, ExpiresAt: now.Add(invitationLife)}
	_, err = s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		if _, err := s.project(ctx, tx, project); err != nil {
			return err
		}
		members, err := tx.Members(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(members, func(m store.Member) bool { return m.Email == email }) {
			return conflict("%s is a member already: change the role instead", email)
		}
		if err := tx.PutInvitation(ctx, inv); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "invite", "member/"+email, map[string]any{"role": role, "expiresAt": inv.ExpiresAt})
	})
	if err != nil {
		return nil, storeError("invite", err)
	}
	return &api.Invitation{Email: email, Role: string(role), ExpiresAt: inv.ExpiresAt, Token: token}, nil
}

// AcceptInvitation makes who has an invitation's token a member and logs them
// in. A new person gives a name and a password; one who is known, the password
// that they have.
func (s *Service) AcceptInvitation(ctx context.Context, from string, req api.AcceptRequest) (*api.Session, error) {
	if err := s.mayTry(ctx, from, req.Token); err != nil {
		return nil, err
	}
	hash := HashToken(req.Token)
	inv, person, err := s.invitation(ctx, hash[:])
	if err != nil {
		return nil, err
	}
	if person != nil {
		ok, err := s.hashing.matches(ctx, person.Password, req.Password[:min(len(req.Password), maxPassword+1)])
		if err != nil {
			return nil, fmt.Errorf("check the password: %w", err)
		}
		if !ok {
			s.Refused(ctx, Actor{Name: inv.Email, From: from}, inv.Project, "accept", "member/"+inv.Email, "wrong password")
			return nil, errLogin()
		}
	} else if person, err = s.newPerson(ctx, inv.Email, req.Name, req.Password); err != nil {
		return nil, err
	}
	return s.join(ctx, *person, from, []store.Invitation{*inv})
}

// newPerson makes a person who is not stored yet. An empty password is none.
func (s *Service) newPerson(ctx context.Context, email, name, password string) (*store.Person, error) {
	if name = strings.TrimSpace(name); name == "" {
		name = personName("", email)
	}
	if !validName(name) {
		return nil, invalid("a name has at most 100 characters, and no control characters", nil)
	}
	if wrong := checkPassword(password); wrong != "" {
		return nil, invalid(wrong, nil)
	}
	hash, err := s.hashing.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	return s.person(email, name, hash)
}

func validName(name string) bool {
	return utf8.RuneCountInString(name) <= 100 && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' })
}

// personName is a name that somebody else gave, or if it is none, the part of
// the email before the @.
func personName(name, email string) string {
	if name = strings.TrimSpace(name); name != "" && validName(name) {
		return name
	}
	name, _, _ = strings.Cut(email, "@")
	return name
}

func (s *Service) person(email, name, hash string) (*store.Person, error) {
	id, _, err := newToken(SessionPrefix)
	if err != nil {
		return nil, err
	}
	return &store.Person{ID: id, Email: email, Name: name, Password: hash, CreatedAt: s.now().UTC()}, nil
}

// invitation finds a standing invitation by its token's hash, with the person
// if there is one of that email.
func (s *Service) invitation(ctx context.Context, hash []byte) (inv *store.Invitation, person *store.Person, err error) {
	_, err = s.store.Update(ctx, schema.DefaultProject, func(tx store.ConfigTx) error {
		found, err := tx.InvitationsTo(ctx, "", hash)
		if err == nil && len(found) == 1 && s.now().Before(found[0].ExpiresAt) {
			inv = &found[0]
		}
		return err
	})
	if err != nil {
		return nil, nil, storeError("read the invitation", err)
	}
	if inv == nil {
		return nil, nil, notFound("there is no such invitation: it was used, taken back, or is older than seven days")
	}
	person, err = s.store.PersonByEmail(ctx, inv.Email)
	if errors.Is(err, store.ErrNotFound) {
		return inv, nil, nil
	}
	return inv, person, storeError("read the invitation", err)
}

// join makes a person a member by invitations, each in its project, and logs
// the person in. An invitation that is gone by now makes it fail.
func (s *Service) join(ctx context.Context, p store.Person, from string, invitations []store.Invitation) (*api.Session, error) {
	for _, inv := range invitations {
		_, err := s.store.Update(ctx, inv.Project, func(tx store.ConfigTx) error {
			if err := tx.DeleteInvitation(ctx, inv.Hash); err != nil {
				return err
			}
			if err := tx.PutPerson(ctx, p); err != nil {
				return err
			}
			if err := tx.PutMember(ctx, store.Member{Person: p, Role: inv.Role, AddedAt: s.now().UTC(), AddedBy: inv.CreatedBy}); err != nil {
				return err
			}
			return s.audit(ctx, tx, Actor{Name: p.Email, From: from}, "accept", "member/"+p.Email, map[string]string{"after": inv.Role, "invitedBy": inv.CreatedBy})
		})
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
			return nil, conflict("the invitation was used at the same time: log in")
		}
		if err != nil {
			return nil, storeError("accept the invitation", err)
		}
	}
	return s.startSession(ctx, p, from, nil)
}

// SetRole gives a member another role.
func (s *Service) SetRole(ctx context.Context, actor Actor, project, email, role string) (*api.Member, error) {
	email = foldEmail(email)
	if err := s.mayHandOut(ctx, actor, project, "set-role", "member/"+cut(email, 254), Role(role)); err != nil {
		return nil, err
	}
	var out api.Member
	err := s.changeMember(ctx, actor, project, email, Role(role), func(tx store.ConfigTx, m store.Member) error {
		out = api.Member{Email: m.Email, Name: m.Name, Role: role, Status: api.MemberActive, AddedAt: m.AddedAt, AddedBy: m.AddedBy}
		if m.Role == role {
			return nil
		}
		before := m.Role
		m.Role = role
		if err := tx.PutMember(ctx, m); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "set-role", "member/"+email, map[string]string{"before": before, "after": role})
	})
	return &out, err
}

// RemoveMember ends a membership, or takes an invitation back.
func (s *Service) RemoveMember(ctx context.Context, actor Actor, project, email string) error {
	email = foldEmail(email)
	return s.changeMember(ctx, actor, project, email, "", func(tx store.ConfigTx, m store.Member) error {
		if m.ID == "" { // invited
			found, err := tx.InvitationsTo(ctx, email, nil)
			for _, inv := range found {
				if err == nil && inv.Project == project {
					err = tx.DeleteInvitation(ctx, inv.Hash)
				}
			}
			if err != nil {
				return err
			}
		} else if err := tx.DeleteMember(ctx, m.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "remove", "member/"+email, map[string]string{"before": m.Role})
	})
}

// changeMember finds a member (or, to remove, an invitation) that the actor
// may touch, and sees that an owner stays.
func (s *Service) changeMember(ctx context.Context, actor Actor, project, email string, to Role, f func(tx store.ConfigTx, m store.Member) error) error {
	refused := ""
	_, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		members, err := tx.Members(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(members, func(m store.Member) bool { return m.Email == email })
		var m store.Member
		if at >= 0 {
			m = members[at]
		} else {
			invitations, err := tx.Invitations(ctx)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(invitations, func(i store.Invitation) bool { return i.Email == email })
			if i < 0 || to != "" {
				return notFound("%s is not a member of project %s", cut(email, 254), project)
			}
			m = store.Member{Person: store.Person{Email: email}, Role: invitations[i].Role}
		}
		if !actor.Role.mayGrant(Role(m.Role)) {
			refused = fmt.Sprintf("role %s can't change a member of role %s", actor.Role, m.Role)
			return forbidden("%s", refused)
		}
		if at >= 0 && Role(m.Role) == RoleOwner && to != RoleOwner {
			n, err := s.owners(ctx, tx, m.ID, "")
			if err != nil {
				return err
			}
			if n == 0 {
				return conflict("%s is the last owner: make another first", email)
			}
		}
		return f(tx, m)
	})
	if refused != "" {
		s.Refused(ctx, actor, project, string(ActionWriteMembers), "member/"+email, refused)
	}
	return storeError("change member", err)
}

// owners counts who can still do everything in the project, without one member
// or one key.
func (s *Service) owners(ctx context.Context, tx store.ConfigTx, exceptPerson, exceptKey string) (n int, err error) {
	members, err := tx.Members(ctx)
	if err != nil {
		return 0, err
	}
	for _, m := range members {
		if m.ID != exceptPerson && Role(m.Role) == RoleOwner {
			n++
		}
	}
	keys, err := tx.Keys(ctx)
	for _, k := range keys {
		if k.ID != exceptKey && Role(k.Role) == RoleOwner && k.Scope == "" && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(s.now())) {
			n++
		}
	}
	return n, err
}

// mayHandOut checks a role and that the actor may hand it out.
func (s *Service) mayHandOut(ctx context.Context, actor Actor, project, action, object string, role Role) error {
	if !role.Valid() {
		return invalid(fmt.Sprintf("%q is not a role: owner, admin, developer, operator or viewer", cut(string(role), 100)), nil)
	}
	if !actor.Role.mayGrant(role) {
		s.Refused(ctx, actor, project, action, object, "role "+string(actor.Role)+" can't hand out "+string(role))
		return forbidden("role %s can't hand out role %s", actor.Role, role)
	}
	return nil
}
