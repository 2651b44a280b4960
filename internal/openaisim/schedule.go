package openaisim

import (
	"slices"
	"sort"
	"time"
)

// hourWeights are how busy the hours of a working day are, in UTC.
var hourWeights = [24]float64{2, 1, 1, 1, 1, 2, 4, 10, 22, 30, 32, 28, 22, 28, 32, 30, 26, 20, 12, 8, 6, 5, 4, 3}

// weekendWeight is what a weekend's hour is worth compared with a working day's.
const weekendWeight = 0.15

// groupSize is the number of consecutive events among which bursts are made.
const groupSize = 10

// schedule returns the times of n events from from to to, ascending: by the hours
// of the week, with bursts inside one second, some of them longer than two pages.
func schedule(seed uint64, n int, from, to time.Time) []int64 {
	lo, hi := from.Unix(), to.Unix()
	if from.Nanosecond() > 0 {
		lo++ // the first whole second in the range
	}
	hi = max(hi, lo)
	starts, sums := hours(lo, hi)
	total := sums[len(sums)-1]
	timeSite, burstSite := site(seed, "time"), site(seed, "burst")
	times := make([]int64, n)
	for i := range times {
		leader := i
		switch group, crowd := i/groupSize, i/(100*groupSize); {
		case i%(100*groupSize) < 250 && (crowd == 1 || nth(burstSite, uint64(crowd)|1<<63)%50 == 0):
			leader = crowd * 100 * groupSize
		case nth(burstSite, uint64(group))%4 == 0:
			leader = group * groupSize
		}
		u := unit(nth(timeSite, uint64(leader))) * total
		h := sort.SearchFloat64s(sums, u)
		before, end := 0.0, hi+1
		if h > 0 {
			before = sums[h-1]
		}
		if h+1 < len(starts) {
			end = starts[h+1]
		}
		times[i] = min(starts[h]+int64((u-before)/(sums[h]-before)*float64(end-starts[h])), hi)
	}
	slices.Sort(times)
	return times
}

// hours cuts the span into hours: where they start, and how much weight the span
// has up to the end of each.
func hours(lo, hi int64) (starts []int64, sums []float64) {
	sum := 0.0
	for at := lo; at <= hi; {
		t := time.Unix(at, 0).UTC()
		next := min(at-at%3600+3600, hi+1)
		w := hourWeights[t.Hour()]
		if day := t.Weekday(); day == time.Saturday || day == time.Sunday {
			w *= weekendWeight
		}
		sum += w * float64(next-at)
		starts, sums = append(starts, at), append(sums, sum)
		at = next
	}
	return starts, sums
}
