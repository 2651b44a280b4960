package mutants

// How the log is read, and how chunks reach the lanes.
var reading = []Mutant{
	{
		Name: "drop when full", Tier: TierWorld, File: "pipeline/fanout.go",
		Why:  "chunks that a full lane did not take are in nobody's hands",
		Edit: Edit{"\t\tp.detach()\n\t}\n\tif len(c.entries) == 0 {", "\t\treturn\n\t}\n\tif len(c.entries) == 0 {"},
	},
	{
		Name: "missed chunks not noted", Tier: TierWorld, File: "pipeline/fanout.go",
		Why:  "a lane that was detached believes that nothing went by",
		Edit: Edit{"p.missed[c.stream] = t\n", "_ = t\n"},
	},
	{
		Name: "deep walk known before it was sent", Tier: TierWorld, File: "pipeline/walk.go",
		Why:  "a deep walk is complete before its last news is in the channel",
		Edit: Edit{"if st.last && ok {", "if ok {"},
	},
	{
		Name: "cap per span", Tier: TierWorld, File: "pipeline/walk.go",
		Why:  "a later span's start claims what appeared in an earlier one after that was read",
		Edit: Edit{"if at, ok := w.asOf[stream]; ok {", "if at, ok := w.asOf[stream]; ok && false {"},
	},
	{
		Name: "others' ids not left out", Tier: TierWorld, File: "pipeline/walk.go",
		Why:  "what was delivered through the other stream, and forgotten, is delivered again",
		Edit: Edit{"if !s.from.Before(b.joined) {", "if true || !s.from.Before(b.joined) {"},
	},
	{
		Name: "own walk claims its own start", Tier: TierWorld, File: "pipeline/walk.go",
		Why:  "any walk is taken for a deep one",
		Edit: Edit{"if b := w.bounds[stream]; !b.deep {", "if b := w.bounds[stream]; false && !b.deep {"},
	},
	{
		Name: "recent walk claims its own start", Tier: TierWorld, File: "pipeline/head.go",
		Why:  "a poll reads back minutes, and claims hours",
		Edit: Edit{"{from: from, limit: h.s.deep}", "{from: from, deep: true}"},
	},
	{
		Name: "deep walk from its own start", Tier: TierWorld, File: "pipeline/head.go",
		Why:  "what appeared after the last deep walk began, late by almost the overlap, lies below this one",
		Edit: Edit{"{from: h.s.deepFrom(), deep: true}", "{from: h.chain.reader.now().Add(-h.s.overlap).Truncate(time.Second), deep: true}"},
	},
	{
		Name: "first bound after the lanes attached", Tier: TierWorld, File: "pipeline/head.go",
		Why:  "what appeared between the lanes' own walks and the first poll lies below the first deep walk",
		Edit: Edit{"h.s.deep = c.reader.start()", "h.s.deep = start"},
	},
	{
		Name: "failed deep walk counts as complete", Tier: TierWorld, File: "pipeline/head.go",
		Why:  "it must be made again from the same lower bound",
		Edit: Edit{"\t\th.sweeping = nil\n\t\th.nextDeep = c.clock.now().Add(c.cfg.poll)\n", "\t\th.sweeping = nil\n\t\th.s.deep = c.reader.now()\n"},
	},
	{
		Name: "host clock caps the watermark", Tier: TierWorld, File: "pipeline/reader.go",
		Why:  "a host clock that runs ahead claims what has not been written yet",
		Edit: Edit{"if est.Before(at) {", "if false {"},
	},
	{
		Name: "host clock used for now", Tier: TierUnit, Run: "./pipeline ^TestAsOf$", File: "pipeline/reader.go",
		Why:  "a host clock that runs ahead makes polls look where nothing is",
		Edit: Edit{"return r.clock.now().Add(skew).UTC()", "return r.clock.now().Add(0 * skew).UTC()"},
	},
	{
		Name: "emitting before the last page", Tier: TierWorld, File: "pipeline/reader.go",
		Why: "pages come newest first: what was read claims what was not",
		Edit: Edit{"\t\t\treturn nil, asOf, fmt.Errorf(\"read %s: page %d: %w\", s, n+1, err)\n",
			"\t\t\tif n > 0 {\n\t\t\t\tbreak\n\t\t\t}\n\t\t\treturn nil, asOf, fmt.Errorf(\"read %s: page %d: %w\", s, n+1, err)\n"},
	},
	{
		Name: "gt for gte", Tier: TierWorld, File: "internal/sim/source.go",
		Why:  "what shares the second of the lower bound is not read; the engine relies on >=",
		Edit: Edit{"if e.Time.Before(req.Since) {", "if !e.Time.After(req.Since) {"},
	},
	{
		Name: "spans read ahead before the first is in", Tier: TierUnit, Run: "./pipeline ^TestWalkReadsAhead$", File: "pipeline/walk.go",
		Why:  "the walk claims a time after some of its spans were read",
		Edit: Edit{"(!w.opened || running >= w.width || far)", "(running >= w.width || far)"},
	},
	{
		Name: "dense stream ends the others' span", Tier: TierWorld, File: "pipeline/walk.go",
		Why:  "a span that one stream finds too dense counts as read in the others",
		Edit: Edit{"\t\t\t\tt.dense = dense.length\n", ""},
	},
	{
		Name: "fan-out waits for a full lane", Tier: TierEngine, Run: "./pipeline ^TestSinkThatHangsForADayDelaysNobody$", File: "pipeline/fanout.go",
		Why:  "one sink that hangs holds up all",
		Edit: Edit{"load == 0 || load+n <= p.buffer {", "load >= 0 {"},
		Also: []Edit{{"\t\t\tselect {\n\t\t\tcase p.ch <- c:\n\t\t\t\tp.load.Add(n)\n\t\t\t\treturn\n\t\t\tdefault:\n\t\t\t}\n", "\t\t\tp.ch <- c\n\t\t\tp.load.Add(n)\n\t\t\treturn\n"}},
	},
	{
		Name: "what the channel holds is not counted", Tier: TierEngine, Run: "./pipeline ^TestSinkThatHangsForADayDelaysNobody$", File: "pipeline/fanout.go",
		Why:  "a lane that cannot deliver holds more and more",
		Edit: Edit{"\t\t\t\tp.load.Add(n)\n", ""},
	},
	{
		Name: "deep walk at every poll", Tier: TierEngine, Run: "./pipeline ^TestIdleOrganizationCostsOneRequestPerPoll$", File: "pipeline/head.go",
		Why:  "an idle organization costs a day's reading every half minute",
		Edit: Edit{"h.sweepBegan.Add(max(c.cfg.sweep, 4*took))", "h.sweepBegan.Add(c.cfg.poll)"},
	},
	{
		Name: "shared walk although chunks were missed", Tier: TierWorld, File: "pipeline/tape.go",
		Why:  "the tape was read before what went by",
		Edit: Edit{"if s == nil || missed || len(bounds)", "if s == nil || len(bounds)"},
	},
	{
		Name: "entries outside the span accepted", Tier: TierUnit, Run: "./pipeline ^TestReadTrustsNoPage$", File: "pipeline/reader.go",
		Why:  "a source that ignores a bound is believed",
		Edit: Edit{"if e.Time.Before(s.from) ||", "if false && e.Time.Before(s.from) ||"},
	},
	{
		Name: "gt for gte at the API", Tier: TierUnit, Run: "./sources/openai .", File: "sources/openai/source.go",
		Why:  "what shares the second of the lower bound is not asked for",
		Edit: Edit{`"effective_at[gte]"`, `"effective_at[gt]"`},
	},
}
