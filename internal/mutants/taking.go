package mutants

// What a lane takes of what it reads, and what its progress says.
var taking = []Mutant{
	{
		Name: "no overlap", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "the horizon is the watermark: what appears late is taken for delivered",
		Edit: Edit{"if h := p.Watermark.Add(-overlap); h.After(p.Floor) {", "if h := p.Watermark; h.After(p.Floor) {"},
	},
	{
		Name: "overlap short", Tier: TierWorld, File: "pipeline/ledger.go",
		Why: "what appears as late as is allowed is lost; two seconds, because the second by which a Date may be rounded hides one",
		Edit: Edit{"if h := p.Watermark.Add(-overlap); h.After(p.Floor) {",
			"if h := p.Watermark.Add(2*time.Second - overlap); h.After(p.Floor) {"},
	},
	{
		Name: "floor dropped when overlap is raised", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "the horizon goes back below what is remembered, which is delivered again",
		Edit: Edit{"\treturn p.Floor\n}", "\treturn p.Watermark.Add(-overlap)\n}"},
	},
	{
		Name: "seen set pruned early", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "delivered ids above the lowest horizon are forgotten and delivered again",
		Edit: Edit{"lowest(l.progress, l.overlap).Add(-l.slack)", "lowest(l.progress, l.overlap).Add(l.overlap / 4)"},
	},
	{
		Name: "seen set pruned at the horizon", Tier: TierUnit, Run: "./pipeline ^TestLedgerScenarios$", File: "pipeline/ledger.go",
		Why:  "what a poll brings again from below the horizon is called late",
		Edit: Edit{"lowest(l.progress, l.overlap).Add(-l.slack)", "lowest(l.progress, l.overlap)"},
	},
	{
		Name: "held ids not held", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "what is queued is taken a second time when it is read again",
		Edit: Edit{"\tl.held[key] = struct{}{}\n\treturn admitFresh", "\treturn admitFresh"},
	},
	{
		Name: "batch in doubt not held", Tier: TierUnit, Run: "./pipeline ^TestLedgerScenarios$", File: "pipeline/ledger.go",
		Why:  "the members of a prepared batch are taken a second time when they are read again",
		Edit: Edit{"\t\tl.held[keyOf(p.ID)] = struct{}{}\n", "\t\t_ = p\n"},
	},
	{
		Name: "watermark uncapped", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "an entry dated in the future claims everything before it",
		Edit: Edit{"if h.AsOf.Before(t) {", "if false {"},
	},
	{
		Name: "one watermark for both streams", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "what one stream brought claims the other, which may not even answer",
		Edit: Edit{"\t\traise(claims, h.Stream, t)\n", "\t\tfor s := range l.tip {\n\t\t\traise(claims, s, t)\n\t\t}\n"},
	},
	{
		Name: "claims do not wait for held records", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "a deep walk is claimed while its news is queued and may be given up",
		Edit: Edit{"if n := len(l.queue); n > 0 {\n\t\tinto", "if n := len(l.queue); n > 1<<30 {\n\t\tinto"},
	},
	{
		Name: "join counted by committed progress", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "the store forgets by the batch on its way to it, and what it forgets is taken again through the stream that joins",
		Edit: Edit{"Joined: lowest(l.tip, l.overlap)", "Joined: lowest(l.progress, l.overlap)"},
	},
	{
		Name: "joined streams are not told apart", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "what came through the other stream before this one was known is delivered again",
		Edit: Edit{"Joined: lowest(l.tip, l.overlap)", "Joined: time.Time{}"},
	},
	{
		Name: "release keeps claims", Tier: TierUnit, Run: "./pipeline ^TestLedgerScenarios$", File: "pipeline/ledger.go",
		Why: "claims outlive the records they waited for",
		Edit: Edit{"\tl.queue, l.bytes, l.first = nil, 0, time.Time{}\n\tl.loose = make(map[string]time.Time)\n",
			"\tfor i := range l.queue {\n\t\tfor s, t := range l.queue[i].claims {\n\t\t\traise(l.loose, s, t)\n\t\t}\n\t}\n\tl.queue, l.bytes, l.first = nil, 0, time.Time{}\n"},
	},
	{
		Name: "old entries of a joined stream from the channel", Tier: TierWorld, File: "pipeline/intake.go",
		Why:  "only the lane's own walk can tell what came through the other stream",
		Edit: Edit{"if c.entries[i].Time.Before(joined) {", "if false && c.entries[i].Time.Before(joined) {"},
	},
	{
		Name: "filtered entries claim uncapped", Tier: TierWorld, File: "pipeline/intake.go",
		Why:  "a filtered entry dated in the future claims everything before it",
		Edit: Edit{"if r.AsOf.Before(t) {", "if false {"},
	},
	{
		Name: "failed stream is followed", Tier: TierWorld, File: "pipeline/intake.go",
		Why:  "chunks claim what the walk that failed did not read",
		Edit: Edit{"\t\tdelete(in.following, s)\n\t\tdelete(in.caught, s)\n\t\tin.port.leave(s)\n", "\t\t_ = s\n"},
	},
	{
		Name: "failed stream counts as caught up", Tier: TierWorld, File: "pipeline/intake.go",
		Why:  "the next walk begins at what was missed since, above what the failed one left out",
		Edit: Edit{"\t\tdelete(in.caught, s)\n", "\t\tin.caught[s] = true\n"},
	},
	{
		Name: "read before attach", Tier: TierWorld, File: "pipeline/intake.go",
		Why:  "what appears between the reading and the following is in neither",
		Edit: Edit{"\t\tbounds[s] = b\n", "\t\tbounds[s] = b\n\t\tin.port.leave(s)\n"},
		Also: []Edit{{"\t\t\tin.caught[s] = true\n", "\t\t\tin.caught[s] = true\n\t\t\tin.port.join(s)\n"}},
	},
	{
		Name: "short catch-up claims its own start", Tier: TierWorld, File: "pipeline/intake.go",
		Why:  "it read back only to the first chunk it missed, and what is older may have appeared since",
		Edit: Edit{"b.from = first", "b.from, b.deep = first, true"},
	},
	{
		Name: "late entries called duplicates", Tier: TierUnit, Run: "./pipeline ^TestLaterThanTheOverlapIsCountedAndNotHidden$", File: "pipeline/intake.go",
		Why:  "what is lost is hidden",
		Edit: Edit{"in.counts.add(resultLateLost)", "in.counts.add(resultDuplicate)"},
	},
	{
		Name: "older than the start called late", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "a lane that begins now cries that yesterday is lost",
		Edit: Edit{" || p.Time.Before(l.start) {", " {"},
	},
	{
		Name: "horizon of a stream that only a batch in doubt knows", Tier: TierWorld, File: "pipeline/ledger.go",
		Why:  "the log is read from the year 1",
		Edit: Edit{"\tp, ok := l.progress[stream]\n\tif !ok {\n", "\tp, ok := l.progress[stream]\n\tif !ok && false {\n"},
	},
}
