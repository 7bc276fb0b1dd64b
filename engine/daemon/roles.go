package daemon

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what a process does.
type Role string

// The roles.
const (
	RoleAPI       Role = "api"       // configuration, triggers, webhooks
	RoleWorker    Role = "worker"    // executes runs
	RoleScheduler Role = "scheduler" // cron, timers, takes over dead workers' runs
	RoleFlusher   Role = "flusher"   // moves logs and results to the store
)

// AllRoles lists every role.
var AllRoles = []Role{RoleAPI, RoleWorker, RoleScheduler, RoleFlusher}

// ParseRoles reads a comma-separated list of roles.
func ParseRoles(text string) ([]Role, error) {
	var roles []Role
	for part := range strings.SplitSeq(text, ",") {
		r := Role(strings.TrimSpace(part))
		if !slices.Contains(AllRoles, r) {
			return nil, fmt.Errorf("%q is not a role: choose from api, worker, scheduler, flusher", string(r))
		}
		if !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return roles, nil
}

// needsStore tells whether any of the roles works with the SQL store.
func needsStore(roles []Role) bool {
	return slices.Contains(roles, RoleAPI) || slices.Contains(roles, RoleFlusher)
}
