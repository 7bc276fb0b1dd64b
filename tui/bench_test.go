package tui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
)

// flood makes pages of runs as a server has them that starts 5,000 a second.
type flood struct{ n int }

func (f *flood) page(size int) []schema.Run {
	page := make([]schema.Run, size)
	for i := range page {
		n := f.n + size - i
		at := noon.Add(time.Duration(n) * 200 * time.Microsecond)
		page[i] = schema.Run{ID: runID(n), Workflow: "lead-sync", Status: schema.RunFailed, CreatedAt: at, StartedAt: &at, EndedAt: &at,
			Error: &schema.RunError{Type: "http", Message: "POST http://10.0.0.1/leads: 503 Service Unavailable"}, Trigger: schema.Trigger{Kind: "event"}}
	}
	return page
}

// BenchmarkKey is a key, with what it changes drawn, in a list of 100,000 runs
// while a page of new ones comes in before each.
func BenchmarkKey(b *testing.B) {
	for _, size := range [][2]int{{80, 24}, {300, 80}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			r := runsRig(b, newFake())
			r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			v := r.open().(*runs)
			f := &flood{}
			for len(v.log.runs) < mostRuns {
				page := light(f.page(bigPage))
				f.n += bigPage
				v.log.runs = append(page, v.log.runs...)
			}
			v.log.next = "more"
			v.show(r.App)
			v.list.moveTo(500)
			keys := []string{"j", "k", "pgdown", "ctrl+u", "space", "G", "g"}
			var worst time.Duration
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				f.n += pageSize / 2
				page := &api.List[schema.Run]{Items: f.page(pageSize), NextCursor: "next"}
				v.newest.seq++
				answer := reply{q: &v.newest, seq: v.newest.seq, take: func(a *App) tea.Cmd {
					v.log.head(light(page.Items), page.NextCursor, !v.following())
					v.show(a)
					return nil
				}}
				b.StartTimer()
				begin := time.Now()
				r.Update(answer)
				r.Update(keyPress(keys[i%len(keys)]))
				r.View()
				worst = max(worst, time.Since(begin))
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
		})
	}
}

// BenchmarkFrame is one drawing of a frame that data asked for.
func BenchmarkFrame(b *testing.B) {
	r := runsRig(b, story())
	r.send(tea.WindowSizeMsg{Width: 300, Height: 80})
	for b.Loop() {
		r.redraw()
	}
}

// BenchmarkOverview is a second that the overview takes in and draws, of 300
// workflows.
func BenchmarkOverview(b *testing.B) {
	r := newRig(b, busy())
	r.send(tea.WindowSizeMsg{Width: 300, Height: 80})
	s := *r.live.window
	for i := range 300 {
		s.Workflows = append(s.Workflows, api.SeriesStats{Name: fmt.Sprintf("workflow-%d", i), StatsNumbers: s.Total, Trend: make([]int64, 30)})
	}
	r.live.window = &s
	for b.Loop() {
		r.clock = r.clock.Add(time.Second)
		r.send(secondMsg{stream: r.live.stream, stats: &api.Stats{From: r.clock.Add(-time.Second), To: r.clock, StepSeconds: 1,
			Points: []api.StatsPoint{{At: r.clock.Add(-time.Second), StatsNumbers: s.Total}}, Workflows: s.Workflows}})
		r.redraw()
	}
}
