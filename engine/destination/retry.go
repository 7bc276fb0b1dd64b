package destination

import "time"

// pauses are those after the first attempts of a message; from then on it is
// tried every hour.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute}

// GiveUp is for how long attempts may fail before the destination is disabled.
const GiveUp = 3 * 24 * time.Hour

// pause is how long to wait after so many attempts.
func pause(attempts int) time.Duration {
	if attempts >= 1 && attempts <= len(pauses) {
		return pauses[attempts-1]
	}
	return time.Hour
}
