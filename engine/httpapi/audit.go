package httpapi

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"

	"paragon/engine/store"
	"paragon/schema/api"
)

func (s *Server) listAudit(w http.ResponseWriter, r *request) error {
	q, now := r.query(), s.now()
	sel := store.AuditQuery{Project: r.project, Actor: q.text("actor"), Action: q.text("action"), Object: q.text("object"), Outcome: q.text("outcome"),
		Since: q.instant("since", now), Until: q.instant("until", now), Oldest: q.boolean("oldest"), Past: q.number("cursor", 1, 1<<62)}
	limit := int(q.number("limit", 1, 1000))
	if q.err != nil {
		return q.err
	}
	if limit == 0 {
		limit = 100
	}
	sel.Limit = limit + 1
	records, err := s.opts.Config.Audit(r.Context(), sel)
	if err != nil {
		return err
	}
	page := api.List[api.AuditRecord]{Items: []api.AuditRecord{}}
	if len(records) > limit {
		records = slices.Clip(records[:limit])
		page.NextCursor = strconv.FormatInt(records[limit-1].ID, 10)
	}
	for _, rec := range records {
		// The time is told to the microsecond: the hash covers it.
		page.Items = append(page.Items, api.AuditRecord{ID: rec.ID, At: rec.At.UTC(), Actor: rec.Actor, Action: rec.Action, Object: rec.Object,
			Outcome: rec.Outcome, From: rec.From, Detail: rec.Detail, Project: rec.Project, Seq: rec.Seq, Hash: hex.EncodeToString(rec.Hash)})
	}
	return writeJSON(w, http.StatusOK, page)
}
