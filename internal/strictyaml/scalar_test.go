package strictyaml

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "8MiB": 8 << 20, "8 MiB": 8 << 20, "1MB": 1e6, "1.5KiB": 1536, "2gib": 2 << 30, "3B": 3,
	} {
		var s Size
		if err := s.UnmarshalScalar(text); err != nil || s != want {
			t.Errorf("%q = %d, %v, want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5B", "1e3", "8 Mo", "99999999999TB", "1MiBB", "0x10", "1..2", "NaN"} {
		s := Size(42)
		if err := s.UnmarshalScalar(text); err == nil || s != 42 {
			t.Errorf("%q = %d, %v, want an error", text, s, err)
		}
	}
	for s, want := range map[Size]string{0: "0B", 1: "1B", 1024: "1KiB", 8 << 20: "8MiB", 1e6: "1MB", 1500: "1500B"} {
		if got := s.String(); got != want {
			t.Errorf("String of %d = %s, want %s", int64(s), got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"poll_interval", "recent", "sweep_interval", "overlap", "drain_timeout", "s3"}
	for text, want := range map[string]string{
		"pol_interval": "poll_interval", "pollInterval": "poll_interval", "overlpa": "overlap", "OVERLAP": "overlap",
		"drain-timeout": "drain_timeout", "s2": "s3", "colour": "", "x": "", "": "",
	} {
		if got := Suggest(text, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", text, got, want)
		}
	}
	if got := Suggest("x", nil); got != "" {
		t.Errorf("Suggest among none = %q", got)
	}
}

func TestPositionOfTheNearestPart(t *testing.T) {
	n, ps := Parse([]byte("a:\n  - b: 1\n    c:\n  - d\ne: &x {f: g}\nh: *x\n"))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	for path, want := range map[string][2]int{
		"": {1, 1}, "a": {2, 3}, "a[0].b": {2, 8}, "a[0].c": {3, 5}, "a[0].missing.x": {2, 5}, "a[1]": {4, 5},
		"a[7]": {2, 3}, "a[x]": {2, 3}, "e.f": {5, 11}, "h.f": {5, 11}, "nothing": {1, 1}, "e[0]": {5, 4},
	} {
		line, column := Position(n, path)
		if got := [2]int{line, column}; got != want {
			t.Errorf("Position(%q) = %v, want %v", path, got, want)
		}
	}
}
