package tui

import (
	"slices"
	"testing"
)

func TestPauseAndResume(t *testing.T) {
	tests := []struct {
		name    string
		options []func(*Options)
		role    string
		keys    string
		calls   []string
		shows   []string
	}{
		{name: "a queue asks", keys: ":queues⏎P", shows: []string{"Pause queue 0/high?", "what runs goes on", " No "}},
		{name: "the default is no", keys: ":queues⏎P⏎", shows: []string{"!Pause queue"}},
		{name: "a queue", keys: ":queues⏎jPy", calls: []string{"pause queue/0/normal"}, shows: []string{"pause queue 0/normal: 1 of 1, done", "‖ paused  queue     0/normal"}},
		{name: "a queue goes on", keys: ":queues⏎jPyPy", calls: []string{"pause queue/0/normal", "resume queue/0/normal"}},
		{name: "a workflow", keys: ":workflows⏎jjPy", calls: []string{"pause workflow/nightly"}},
		{name: "a workflow goes on", keys: ":workflows⏎jjPy:queues⏎Py", calls: []string{"pause workflow/nightly", "resume workflow/nightly"}},
		{name: "read only", options: []func(*Options){readOnly}, keys: ":queues⏎P", shows: []string{"read only: started with --read-only", "!Pause queue"}},
		{name: "read only in workflows", options: []func(*Options){readOnly}, keys: ":workflows⏎P", shows: []string{"read only: started with --read-only"}},
		{name: "a viewer", role: "viewer", keys: ":queues⏎P", shows: []string{"your role is viewer"}},
		{name: "what waits", keys: ":queues⏎⏎", shows: []string{"/ status:queued"}},
		{name: "the sum", keys: ":queues⏎", shows: []string{"6 queues · 6,000 runs · oldest 2m 41s"}},
		{name: "the longest first", keys: ":queues⏎sss", shows: []string{"runs▼"}},
		{name: "credentials", keys: ":credentials⏎", shows: []string{"2 credentials in trouble", "u_1042", "refuses the refresh token", "the project"}},
		{name: "workers", keys: ":workers⏎", shows: []string{"2 of 3 workers alive · 210 runs", "✗ lost    worker-5c1a-9.99"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := some()
			if tt.role != "" {
				f.role = tt.role
			}
			r := newRig(t, f, tt.options...)
			for _, c := range tt.keys {
				r.goTo(string(c))
			}
			if !slices.Equal(f.calls, tt.calls) {
				t.Errorf("calls %q, want %q", f.calls, tt.calls)
			}
			r.shows(tt.shows...)
		})
	}
}
