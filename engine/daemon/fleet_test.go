package daemon_test

import "testing"

// TestFleet asks a server for its workers.
func TestFleet(t *testing.T) {
	d := startDev(t, t.TempDir())
	workers, err := d.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(workers.Items) != 1 || !workers.Items[0].Alive || workers.Items[0].LastSeen.IsZero() || workers.Items[0].Running != 0 {
		t.Errorf("workers: %+v", workers.Items)
	}
}
