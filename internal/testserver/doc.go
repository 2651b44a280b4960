// Package testserver starts the real servers that tests run against, and installs
// each once per machine, in the user's cache directory.
//
// They are too slow for every run of the tests: a test that needs one calls
// [Require] first, which skips it unless [Enabled] says that they are wanted, as
// "make test" does. What this machine cannot run is said with [Unavailable]: a skip with
// its reason, and with CI=true a failure.
//
//	func TestRealServer(t *testing.T) {
//		testserver.Require(t)
//		s := testserver.StartMinIO(t, testserver.MinIOOptions{})
//		…
//	}
//
// Servers listen on the loopback interface and end with the process that started
// them, also if it is killed.
package testserver
