package main

import (
	"fmt"
	"strings"
)

// Size of the chart in its own units, and of the part that holds bars.
const (
	chartWidth, chartHeight = 720, 170
	chartLeft, chartTop     = 44, 8
	chartBars               = 640 // width
	chartRise               = 130 // height
)

// chart is the events per minute of the last hour, as the template draws them.
type chart struct {
	Width, Height int
	Bars          []bar
	Grid          []gridLine
	Times         []chartLabel
	Left, Right   int
	Base          int // where bars stand
	Sum           tally
	Rows          []chartRow // the same in words, ten minutes each
	Summary       string
}

// bar is one outcome of one minute.
type bar struct {
	Class         string
	X, Y          string
	Width, Height string
	Title         string
}

type gridLine struct {
	Y, TextY string
	Label    string
}

type chartLabel struct {
	X      int
	Anchor string
	Text   string
}

type chartRow struct {
	When string
	tally
}

// drawChart draws the minutes, oldest first. Duplicates are left to the table:
// a sweep reads a day again, which would hide everything else.
func drawChart(minutes []tally) chart {
	c := chart{
		Width: chartWidth, Height: chartHeight, Left: chartLeft, Right: chartLeft + chartBars, Base: chartTop + chartRise,
		Times: []chartLabel{
			{chartLeft, "start", fmt.Sprintf("%d minutes ago", len(minutes))},
			{chartLeft + chartBars/2, "middle", fmt.Sprintf("%d", len(minutes)/2)},
			{chartLeft + chartBars, "end", "now"},
		},
	}
	var most uint64
	for _, m := range minutes {
		c.Sum.add(m)
		most = max(most, m.Delivered+m.Filtered+m.Quarantined+m.LateLost)
	}
	top := roundUp(max(most, 4))
	for _, n := range []uint64{0, top / 2, top} {
		y := float64(c.Base) - float64(n)/float64(top)*chartRise
		c.Grid = append(c.Grid, gridLine{coordinate(y), coordinate(y + 4), grouped(n)})
	}
	width := float64(chartBars) / float64(len(minutes))
	for i, m := range minutes {
		y := float64(c.Base)
		for _, part := range []struct {
			class, name string
			n           uint64
		}{
			{"delivered", "delivered", m.Delivered}, {"filtered", "filtered", m.Filtered},
			{"quarantined", "quarantined", m.Quarantined}, {"late", "late, lost", m.LateLost},
		} {
			if part.n == 0 {
				continue
			}
			height := max(float64(part.n)/float64(top)*chartRise, 1) // one event is seen
			y -= height
			c.Bars = append(c.Bars, bar{
				part.class, coordinate(chartLeft + float64(i)*width + 0.5), coordinate(y), coordinate(width - 1), coordinate(height),
				fmt.Sprintf("%s %s, %s", grouped(part.n), part.name, minutesAgo(len(minutes)-1-i)),
			})
		}
	}
	const step = 10
	for from := 0; from < len(minutes); from += step {
		row := chartRow{When: fmt.Sprintf("%d to %d minutes ago", len(minutes)-from, len(minutes)-from-step)}
		for _, m := range minutes[from:min(from+step, len(minutes))] {
			row.add(m)
		}
		c.Rows = append(c.Rows, row)
	}
	c.Summary = fmt.Sprintf("Events per minute in the last hour: %s delivered, %s filtered, %s quarantined, %s late and lost.",
		grouped(c.Sum.Delivered), grouped(c.Sum.Filtered), grouped(c.Sum.Quarantined), grouped(c.Sum.LateLost))
	return c
}

func minutesAgo(n int) string {
	switch n {
	case 0:
		return "this minute"
	case 1:
		return "a minute ago"
	}
	return fmt.Sprintf("%d minutes ago", n)
}

// roundUp returns the next number that makes a good end of an axis: 2, 4 or 10
// times a power of ten.
func roundUp(n uint64) uint64 {
	for power := uint64(1); ; power *= 10 {
		for _, m := range []uint64{2, 4, 10} {
			if m*power >= n {
				return m * power
			}
		}
	}
}

func coordinate(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
