package openaisim

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/openai/openai-go/v3"
)

var liveID = regexp.MustCompile(`^audit_log-[0-9A-Za-z]{24}$`)

func TestInventedEvents(t *testing.T) {
	s, _ := plain(t, Config{Events: 20_000, Odd: 0.05, Unknown: 0.01})
	types, sizes, unicode, bursts := map[string]int{}, 0, 0, map[int64]int{}
	shapes := map[string]int{}
	ids := map[string]bool{}
	for e := range s.Events() {
		types[e.Type]++
		sizes += len(e.Body)
		bursts[e.EffectiveAt.Unix()]++
		if ids[e.ID] || !liveID.MatchString(e.ID) {
			t.Errorf("id %q is odd or was seen before", e.ID)
		}
		ids[e.ID] = true
		if !json.Valid(e.Body) || !utf8.Valid(e.Body) {
			t.Fatalf("not JSON: %s", e.Body)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, e.Body); err != nil || compact.Len() != len(e.Body) {
			t.Errorf("not compact: %s", e.Body)
		}
		if slices.ContainsFunc(e.Body, func(b byte) bool { return b >= utf8.RuneSelf }) {
			unicode++
		}
		var sdk openai.AdminOrganizationAuditLogListResponse
		if err := json.Unmarshal(e.Body, &sdk); err != nil {
			t.Fatalf("the SDK cannot read %s: %v", e.Body, err)
		}
		if sdk.ID != e.ID || string(sdk.Type) != e.Type || sdk.EffectiveAt != e.EffectiveAt.Unix() {
			t.Errorf("the SDK reads %s, %s, %d from %s", sdk.ID, sdk.Type, sdk.EffectiveAt, e.Body)
		}
		if a := sdk.Actor.Session.IPAddress; a != "" && a != "unknown" {
			if _, err := netip.ParseAddr(a); err != nil {
				t.Errorf("address %q", a)
			}
		}
		if want := tenantScoped(e.Type); want && e.Tenant.IsZero() || !want && e.Organization.IsZero() {
			t.Errorf("%s is not in its own listing", e.Type)
		}
		for part, in := range map[string]bool{
			"both": len(e.Streams()) == 2, "no actor": !strings.Contains(string(e.Body), `"actor"`),
			"actor null": strings.Contains(string(e.Body), `"actor":null`), "workload": sdk.Actor.Type == "workload",
			"api_key": sdk.Actor.APIKey.Type == "user", "account": sdk.Actor.APIKey.Type == "service_account",
			"project": sdk.Project.ID != "", "extra": strings.Contains(string(e.Body), `"source":"backfill"`),
			"details null": strings.Contains(string(e.Body), `"`+e.Type+`":null`),
			"details list": strings.Contains(string(e.Body), `"`+e.Type+`":[`), "large": len(e.Body) > 5000,
			"no object": !strings.Contains(string(e.Body), `"object":"organization.audit_log"`),
		} {
			if in {
				shapes[part]++
			}
		}
	}
	if got := len(Types()); got != 149 {
		t.Errorf("got %d documented types, want 149", got)
	}
	tenant := 0
	for _, typ := range Types() {
		if types[typ] == 0 {
			t.Errorf("no %s", typ)
		}
		if tenantScoped(typ) {
			tenant++
		}
		delete(types, typ)
	}
	if tenant != 90 {
		t.Errorf("got %d tenant-scoped types, want 90", tenant)
	}
	if len(types) < 2 {
		t.Errorf("got unknown types %v, want some", types)
	}
	for _, part := range []string{"both", "no actor", "actor null", "workload", "api_key", "account", "project", "extra", "details null", "details list", "large", "no object"} {
		if shapes[part] == 0 {
			t.Errorf("no event with: %s", part)
		}
	}
	if got := sizes / 20_000; got < 550 || got > 850 {
		t.Errorf("got %d bytes an event, want about 700", got)
	}
	if unicode < 1000 {
		t.Errorf("got %d events beyond ASCII, want many", unicode)
	}
	longest := 0
	for _, n := range bursts {
		longest = max(longest, n)
	}
	if longest < 200 {
		t.Errorf("the longest burst has %d events, want more than two pages", longest)
	}
}

func TestOneSeedInventsTheSame(t *testing.T) {
	make := func(seed uint64) []Event {
		c := clock{now: noon}
		return newServer(t, Config{Seed: seed, Events: 3000, Late: 0.2, Future: 0.1, Now: c.Now}).Truth()
	}
	same := func(a, b Event) bool {
		return a.ID == b.ID && bytes.Equal(a.Body, b.Body) && a.Organization.Equal(b.Organization) && a.Tenant.Equal(b.Tenant)
	}
	a := make(1)
	if !slices.EqualFunc(a, make(1), same) {
		t.Error("one seed made different events")
	}
	if slices.EqualFunc(a, make(2), same) {
		t.Error("two seeds made the same events")
	}
}

func TestWorkingHours(t *testing.T) {
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) // a Monday
	to := from.AddDate(0, 0, 14)
	times := schedule(1, 50_000, from, to)
	if !slices.IsSorted(times) || times[0] < from.Unix() || times[len(times)-1] > to.Unix() {
		t.Fatalf("got %d to %d, want ascending in %d to %d", times[0], times[len(times)-1], from.Unix(), to.Unix())
	}
	var office, night, weekend int
	for _, at := range times {
		switch tm := time.Unix(at, 0).UTC(); {
		case tm.Weekday() == time.Saturday || tm.Weekday() == time.Sunday:
			weekend++
		case tm.Hour() >= 8 && tm.Hour() < 18:
			office++
		case tm.Hour() < 5:
			night++
		}
	}
	if office < 5*night || office < 5*weekend || night == 0 || weekend == 0 {
		t.Errorf("got %d in office hours, %d at night, %d at weekends", office, night, weekend)
	}
	for name, got := range map[string][]int64{
		"one second": schedule(1, 100, from, from), "less than a second": schedule(1, 100, from.Add(1), from.Add(2)), "none": schedule(1, 0, from, to),
	} {
		for _, at := range got {
			if at < from.Unix() || at > from.Unix()+1 {
				t.Errorf("%s: got %d", name, at)
			}
		}
	}
}

func TestOddTimesAndChangingBodies(t *testing.T) {
	s, _ := plain(t, Config{Events: 100, OddTimes: 1, Changing: 1})
	var fraction, text int
	for e := range s.Events() {
		var at struct {
			EffectiveAt json.RawMessage `json:"effective_at"`
		}
		if err := json.Unmarshal(e.Body, &at); err != nil {
			t.Fatal(err)
		}
		if at.EffectiveAt[0] == '"' {
			text++
		} else if bytes.ContainsRune(at.EffectiveAt, '.') {
			fraction++
		}
	}
	if fraction == 0 || text == 0 || fraction+text != 100 {
		t.Errorf("got %d fractions and %d texts of 100", fraction, text)
	}
	a, b := get(t, s, "limit=1").page.Data[0], get(t, s, "limit=1").page.Data[0]
	if bytes.Equal(a, b) || !json.Valid(a) || !json.Valid(b) {
		t.Errorf("got the same body twice: %s", a)
	}
}

func TestErrorCodesGoWithTheirMessages(t *testing.T) {
	s, _ := plain(t, Config{Events: 5000})
	pairs := map[string]string{}
	for e := range s.Events() {
		var body map[string]json.RawMessage
		var d struct {
			Code    string `json:"error_code"`
			Message string `json:"error_message"`
		}
		if json.Unmarshal(e.Body, &body) != nil || json.Unmarshal(body[e.Type], &d) != nil || d.Code == "" {
			continue
		}
		if was, ok := pairs[d.Code]; ok && was != d.Message {
			t.Errorf("%s means %q and %q", d.Code, was, d.Message)
		}
		pairs[d.Code] = d.Message
	}
	if len(pairs) < 2 {
		t.Errorf("got %v, want several", pairs)
	}
}
