package mutants

// How batches are delivered and recorded, and how destinations keep their promise.
var delivering = []Mutant{
	{
		Name: "re-cut batch", Tier: TierWorld, File: "pipeline/lane.go",
		Why:  "a batch in doubt goes out under its ID with other members",
		Edit: Edit{"\tm := *cp.Prepared\n", "\tm := *cp.Prepared\n\tm.Members = m.Members[:(len(m.Members)+1)/2]\n"},
	},
	{
		Name: "prepared batch's streams not made known", Tier: TierWorld, File: "pipeline/lane.go",
		Why:  "a batch in doubt cannot be read again from a stream that only it knows",
		Edit: Edit{"for s := range cp.Prepared.Watermarks {", "for s := range map[string]bool{} {"},
	},
	{
		Name: "recorded as delivered before Deliver", Tier: TierWorld, File: "pipeline/worker.go",
		Why: "a process that dies in between forgets what it never sent",
		Edit: Edit{"err := l.store.Advance(context.WithoutCancel(ctx), l.name, done, next)\n",
			"err := l.store.Advance(context.WithoutCancel(ctx), l.name, done && l.settled == nil, next)\n" +
				"\tif err == nil && next != nil && len(next.Members) > 0 {\n" +
				"\t\terr = l.store.Advance(context.WithoutCancel(ctx), l.name, true, nil)\n\t}\n"},
	},
	{
		Name: "any error counts as delivered", Tier: TierWorld, File: "pipeline/settle.go",
		Why:  "a request that nobody answered is no evidence",
		Edit: Edit{"\t\ta.doubt = true\n\t\treturn nil, err\n", "\t\treturn &verdict{}, nil\n"},
	},
	{
		Name: "unknown counts as committed", Tier: TierWorld, File: "pipeline/settle.go",
		Why:  "a destination that cannot tell has said nothing",
		Edit: Edit{"case outcome == OutcomeUnknown && s.inDoubt == DoubtHalt:", "case outcome == OutcomeUnknown:\n\t\treturn &verdict{}, nil\n\tcase s.inDoubt == DoubtHalt:"},
	},
	{
		Name: "rejects forgotten at Resolve", Tier: TierWorld, File: "pipeline/settle.go",
		Why:  "what the destination refused is neither there nor in quarantine",
		Edit: Edit{"case committed && rejected != nil:\n\t\ta.doubt = false\n\t\treturn &verdict{rejected.Records}, nil", "case committed && rejected != nil:\n\t\ta.doubt = false\n\t\treturn &verdict{}, nil"},
	},
	{
		Name: "rejects not set aside", Tier: TierWorld, File: "pipeline/settle.go",
		Why:  "what the destination refused is neither there nor in quarantine",
		Edit: Edit{"case errors.As(err, &rejected):\n\t\ta.doubt = false\n\t\treturn &verdict{rejected.Records}, nil", "case errors.As(err, &rejected):\n\t\ta.doubt = false\n\t\treturn &verdict{}, nil"},
	},
	{
		Name: "place taken from today's configuration", Tier: TierWorld, File: "pipeline/settle.go",
		Why:  "a batch in doubt goes to a second place",
		Edit: Edit{"\ta.delivered = true\n", "\tif p, ok := s.sink.(Placer); ok {\n\t\tb.Place = p.Place(b.Manifest)\n\t}\n\ta.delivered = true\n"},
	},
	{
		Name: "marker compared by seq alone", Tier: TierUnit, Run: "./pipeline ^TestMarkerJudge$", File: "pipeline/marker.go",
		Why:  "another owner's batch of the same number is taken for ours",
		Edit: Edit{"case mk.Digest != hex.EncodeToString(digest[:]):", "case false && mk.Digest != hex.EncodeToString(digest[:]):"},
	},
	{
		Name: "store forgets by the highest floor", Tier: TierWorld, File: "pipeline/checkpoint/header.go",
		Why:  "ids that the other stream's horizon still needs are gone after a restart",
		Edit: Edit{"p.Floor.Before(low)", "p.Floor.After(low)"},
	},
	{
		Name: "transactions without fencing", Tier: TierWorld, File: "pipeline/pipelinetest/transactions.go",
		Why:  "an older process's transaction commits after the batch was delivered again",
		Edit: Edit{"if gen != s.d.fences[s.lane] {", "if false && gen != s.d.fences[s.lane] {"},
	},
	{
		Name: "index for create", Tier: TierWorld, File: "pipeline/pipelinetest/events.go",
		Why:  "writing an event again makes a second one",
		Edit: Edit{"!s.d.docs[doc] {", "!s.d.docs[doc] || true {"},
	},
	{
		Name: "objects overwritten", Tier: TierWorld, File: "pipeline/pipelinetest/objects.go",
		Why:  "a delayed put takes the place of what is there",
		Edit: Edit{"if there := s.d.objects[b.Place]; there != nil {", "if there := s.d.objects[b.Place]; there != nil && false {"},
	},
	{
		Name: "batch in doubt not counted", Tier: TierEngine, File: "pipeline/lane.go",
		Why:  "read is no more the sum of what became of the entries",
		Edit: Edit{"\tl.counts.resume(len(m.Members))\n", ""},
	},
	{
		Name: "lane takes its walk without bound", Tier: TierEngine, Run: "./pipeline ^TestSinkThatHangsForADayDelaysNobody$", File: "pipeline/lane.go",
		Why:  "a lane that cannot deliver holds everything it reads",
		Edit: Edit{"case len(l.in.led.queue) < max(min(2*l.policy.MaxEvents, l.cfg.Buffer/2), 1) && l.in.led.bytes < 2*l.policy.MaxBytes:", "case true:"},
	},
	{
		Name: "chunks taken during a walk", Tier: TierEngine, File: "pipeline/lane.go",
		Why:  "a claim from the channel covers what the lane's own walk has not brought yet",
		Edit: Edit{"\t\tcase l.walk == nil:\n\t\t\tchunks = l.ch\n", "\t\tcase l.walk == nil:\n\t\t\tchunks = l.ch\n\t\tcase true:\n\t\t\tchunks, walked = l.ch, l.walk.steps\n"},
	},
	{
		Name: "stop cuts the delivery off", Tier: TierEngine, Run: "./pipeline ^TestGracefulStopFinishesThePreparedBatch$", File: "pipeline/pipeline.go",
		Why:  "every stop leaves a batch in doubt",
		Edit: Edit{"context.WithCancel(context.WithoutCancel(ctx))", "context.WithCancel(ctx)"},
	},
	{
		Name: "drain without limit", Tier: TierEngine, Run: "./pipeline ^TestDrainTimeoutLeavesTheBatchPrepared$", File: "pipeline/pipeline.go",
		Why:  "a sink that hangs keeps the process from stopping",
		Edit: Edit{"time.AfterFunc(p.cfg.DrainTimeout, cancel)", "time.AfterFunc(p.cfg.DrainTimeout, func() {})"},
	},
	{
		Name: "refused for good", Tier: TierEngine, Run: "./pipeline ^TestStreamRefusedForHoursLosesNothing$", File: "pipeline/settle.go",
		Why:  "permissions that are granted later are never noticed",
		Edit: Edit{"const refusedWait = 5 * time.Minute", "const refusedWait = 5000 * time.Hour"},
	},
	{
		Name: "ready with a halted lane", Tier: TierEngine, Run: "./pipeline ^TestHaltedLane$", File: "pipeline/pipeline.go",
		Why:  "nobody is told that a lane needs an operator",
		Edit: Edit{"st.State == stateHalted || !st.Recovered", "!st.Recovered"},
	},
	{
		Name: "once hides a halted lane", Tier: TierEngine, Run: "./pipeline ^TestHaltedLane$", File: "pipeline/chain.go",
		Why:  "a job that did not deliver ends well",
		Edit: Edit{"return fmt.Errorf(\"lane %s: %w\", l.name, err)", "return nil"},
	},
	{
		Name: "throttling ends the doubt", Tier: TierUnit, Run: "./pipeline ^TestSettle$", File: "pipeline/settle.go",
		Why:  "an earlier attempt is delivered again without asking for it",
		Edit: Edit{"\t\treturn nil, err // says nothing about an earlier attempt: doubt stays as it was\n", "\t\ta.doubt = false\n\t\treturn nil, err\n"},
	},
	{
		Name: "failing quarantine delivers again", Tier: TierUnit, Run: "./pipeline ^TestSettle$", File: "pipeline/settle.go",
		Why:  "a full disk here makes copies there",
		Edit: Edit{"\t\tif v == nil {\n", "\t\tif v = nil; v == nil {\n"},
	},
	{
		Name: "recovery without Resolve", Tier: TierUnit, Run: "./pipeline ^TestSettle$", File: "pipeline/settle.go",
		Why:  "a batch in doubt is delivered without asking what became of it",
		Edit: Edit{"\tif a.doubt {\n", "\tif false {\n"},
	},
}
