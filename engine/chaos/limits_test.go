package chaos_test

import (
	"slices"
	"time"

	"paragon/schema"
)

// mayEnd tells whether a run may have ended so.
func (a ack) mayEnd(status schema.RunStatus) bool {
	switch status {
	case schema.RunSucceeded:
		return a.shape.canceled != inTheEnd
	case schema.RunCanceled:
		return !a.stopping.IsZero() || a.shape.merges
	}
	return false
}

// cutShort tells whether a call was open when its run's cancel was asked for,
// or came later.
func (a ack) cutShort(o observation) bool {
	return !a.stopping.IsZero() && (o.done.IsZero() || o.done.Add(writtenWithin).After(a.stopping))
}

// checkLimits checks what the limits of workflows promise: all is what was
// acknowledged, acked what of it no loss of Redis touched.
func (c *cluster) checkLimits(all, acked map[string]ack, past map[string]pastRun, seen map[string][]observation, report func(string, ...any)) {
	calls := map[string]bool{} // the triggers whose runs did something outside
	for _, of := range seen {
		calls[of[0].trigger()] = true
	}
	for _, l := range c.loads {
		for key, a := range l.dropped {
			if calls[key] && !c.exposed(a) {
				report("%s was refused at its rate limit, and has a run", key)
			}
		}
	}
	for key, a := range acked {
		if !a.shape.merges || past[a.id].status != schema.RunCanceled {
			continue
		}
		if len(seen[a.id]) > 0 {
			report("%s: run %s had begun and gave way to a later one: %s", key, a.id, order(seen[a.id]))
		}
		if !hasLater(all, a) {
			report("%s: run %s gave way, and to none", key, a.id)
		}
	}
	c.checkRate(acked, report)
	checkPlaces(acked, c.strikes.list(), seen, report)
}

// hasLater tells whether a run of the same workflow was acknowledged after
// another one was asked for.
func hasLater(all map[string]ack, than ack) bool {
	for _, a := range all {
		if a.shape.name == than.shape.name && a.id != than.id && a.at.After(than.began) {
			return true
		}
	}
	return false
}

// checkRate checks that in no time of the rate limit more began than it allows:
// of those that were surely accepted in it.
func (c *cluster) checkRate(acked map[string]ack, report func(string, ...any)) {
	var rated []ack
	for _, a := range acked {
		if a.shape.drops {
			rated = append(rated, a)
		}
	}
	for _, first := range rated {
		end := first.began.Add(ratedPer - 10*time.Millisecond) // the limit counts in milliseconds
		n := 0
		for _, a := range rated {
			if !a.began.Before(first.began) && a.at.Before(end) {
				n++
			}
		}
		lost := slices.ContainsFunc(c.emptied, func(l loss) bool { return l.at.After(first.began) && l.at.Before(end.Add(ratedPer)) })
		if n > ratedLimit && !lost {
			report("%d runs were accepted in %v from %v, the rate limit is %d", n, ratedPer, first.began.Format("05.000"), ratedLimit)
		}
	}
}

// checkPlaces checks that of the runs that share one place one was under way at
// a time: from its first call to its last.
func checkPlaces(acked map[string]ack, all []strike, seen map[string][]observation, report func(string, ...any)) {
	type stay struct {
		key         string
		first, last observation
	}
	stays := map[string][]stay{} // by shape and place
	for key, a := range acked {
		if !a.shape.alone {
			continue
		}
		// What a frozen worker does after others took its run over is its alone.
		of := slices.DeleteFunc(slices.Clone(seen[a.id]), func(o observation) bool { return thawed(o, all) })
		if len(of) > 0 {
			at := a.shape.name + "/" + place(key)
			stays[at] = append(stays[at], stay{key, of[0], of[len(of)-1]})
		}
	}
	for at, list := range stays {
		slices.SortFunc(list, func(a, b stay) int { return a.first.at.Compare(b.first.at) })
		for i := 1; i < len(list); i++ {
			if list[i].first.at.Before(list[i-1].last.at) {
				report("%s and %s had the one place %s at the same time: until %v and from %v", list[i-1].key, list[i].key, at,
					list[i-1].last.at.Format("05.000"), list[i].first.at.Format("05.000"))
			}
		}
	}
}
