package tui

// rootViews are the views of the keys 1 to 9.
func (a *App) rootViews() []view {
	return []view{newOverview(), newRuns(runFilter{}), newFailures(runFilter{}), newWorkflows(), newQueues(), newWorkers(), newCredentials(), newAudit()}
}
