package ecs

import "testing"

func TestUserAgents(t *testing.T) {
	for _, c := range []struct {
		header string
		want   userAgent
	}{
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", userAgent{"Chrome", "142.0.0.0", "macos", "macOS", "10.15.7", ""}},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.1.0", userAgent{"Edge", "142.0.1.0", "windows", "Windows", "10.0", ""}},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", userAgent{"Firefox", "144.0", "linux", "Linux", "", ""}},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", userAgent{"Safari", "18.6", "ios", "iOS", "18.6", "iPhone"}},
		{"Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/120.0.1 Mobile/15E148 Safari/604.1", userAgent{"Chrome", "120.0.1", "ios", "iOS", "17.0", "iPad"}},
		{"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36", userAgent{"Chrome", "130.0.0.0", "android", "Android", "14", ""}},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 Safari/537.36", userAgent{"Headless Chrome", "130.0.0.0", "linux", "Linux", "", ""}},
		{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", userAgent{name: "Googlebot", version: "2.1"}},
		{"python-requests/2.32.5", userAgent{name: "python-requests", version: "2.32.5"}},
		{"go-resty/2.16.2 (https://github.com/go-resty/resty)", userAgent{name: "go-resty", version: "2.16.2"}},
		{"OpenAI/Python 1.55.0", userAgent{name: "OpenAI/Python", version: "1.55.0"}},
		{"OpenAI/Python", userAgent{name: "OpenAI/Python"}},
		{"curl", userAgent{name: "curl"}},
		{"curl/", userAgent{name: "curl"}},
		{"Mozilla/5.0", userAgent{}},
		{"/", userAgent{}},
		{"", userAgent{}},
		{" ", userAgent{}},
	} {
		if got := parseUserAgent(c.header); got != c.want {
			t.Errorf("%q: got %+v, want %+v", c.header, got, c.want)
		}
	}
}
