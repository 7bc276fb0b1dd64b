package config

import "slices"

// Role is what a key or a member may do in a project.
type Role string

// The roles, from the most powerful to the least: each may do all that the
// next one may.
const (
	RoleOwner     Role = "owner"
	RoleAdmin     Role = "admin"
	RoleDeveloper Role = "developer"
	RoleOperator  Role = "operator"
	RoleViewer    Role = "viewer"
)

// Roles lists every role, the most powerful first.
var Roles = []Role{RoleOwner, RoleAdmin, RoleDeveloper, RoleOperator, RoleViewer}

// Action is something that a role may allow.
type Action string

// The actions.
const (
	ActionReadConfig  Action = "config.read"  // see workflows, and secrets by digest
	ActionWriteConfig Action = "config.write" // apply, put, delete and roll back
	ActionReadRuns    Action = "runs.read"    // see runs with their input and output
	ActionTrigger     Action = "runs.trigger" // start runs
	ActionOperateRuns Action = "runs.operate" // cancel and replay
	ActionCall        Action = "proxy.call"   // call third-party APIs through the proxy
	ActionReadKeys    Action = "keys.read"    // see API keys
	ActionWriteKeys   Action = "keys.write"   // create and delete API keys
	ActionReadAudit   Action = "audit.read"   // see who did what

	ActionReadUsers  Action = "users.read"  // see the product's users and what credentials they have
	ActionWriteUsers Action = "users.write" // create, change and delete them, set and connect their credentials

	ActionExportSecrets Action = "secrets.export" // have the values of secrets, encrypted for a recipient

	ActionReadMembers   Action = "members.read"    // see members and invitations
	ActionWriteMembers  Action = "members.write"   // invite, change roles, remove
	ActionCreateProject Action = "projects.create" // make projects; counts in the default project
)

// Actions lists every action.
var Actions = []Action{ActionReadConfig, ActionWriteConfig, ActionReadRuns, ActionTrigger, ActionOperateRuns,
	ActionCall, ActionReadKeys, ActionWriteKeys, ActionReadAudit, ActionReadUsers, ActionWriteUsers, ActionExportSecrets, ActionReadMembers, ActionWriteMembers, ActionCreateProject}

// permissions is the table of who may do what. What is not in it is refused.
var permissions = map[Role][]Action{
	RoleOwner: Actions,
	RoleAdmin: {ActionReadConfig, ActionWriteConfig, ActionReadRuns, ActionTrigger, ActionOperateRuns,
		ActionCall, ActionReadKeys, ActionWriteKeys, ActionReadAudit, ActionReadUsers, ActionWriteUsers, ActionReadMembers, ActionWriteMembers},
	RoleDeveloper: {ActionReadConfig, ActionWriteConfig, ActionReadRuns, ActionTrigger, ActionOperateRuns,
		ActionCall, ActionReadKeys, ActionReadUsers, ActionWriteUsers, ActionReadMembers},
	RoleOperator: {ActionReadConfig, ActionReadRuns, ActionTrigger, ActionOperateRuns, ActionCall, ActionReadUsers, ActionWriteUsers},
	RoleViewer:   {ActionReadConfig, ActionReadRuns, ActionReadUsers},
}

// Allows tells whether the role may do the action. An unknown role may
// nothing.
func (r Role) Allows(a Action) bool { return slices.Contains(permissions[r], a) }

// Valid tells whether it is a role at all.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }

// mayGrant tells whether the role may hand out another: itself or a weaker
// one.
func (r Role) mayGrant(other Role) bool {
	mine, theirs := slices.Index(Roles, r), slices.Index(Roles, other)
	return mine >= 0 && theirs >= mine
}

// Actor is who does something.
type Actor struct {
	// Name is shown in revisions and in the audit log: the name of the key.
	Name string
	// KeyID is the id of the key, Person that of the person who is logged in;
	// both are empty for the program itself.
	KeyID, Person string
	Role          Role
	// Scope has what of its role a key may do; empty: all.
	Scope []Action
	// From is the remote address, empty for the program itself.
	From string
}

// Allows tells whether the actor may do the action: by the role, and within
// the scope.
func (a Actor) Allows(action Action) bool {
	return a.Role.Allows(action) && (len(a.Scope) == 0 || slices.Contains(a.Scope, action))
}

func (a Actor) isSystem() bool { return a.KeyID == "" && a.Person == "" && a.Name == System.Name }

// System is the program itself, for what it does at its first start.
var System = Actor{Name: "paragond", Role: RoleOwner}
