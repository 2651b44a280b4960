package testserver

import "testing"

// Versions of the program that turns Sigma rules into queries, and of what it knows
// of the languages.
var sigmaPackages = []string{
	"sigma-cli==3.1.0", "pySigma==1.5.1", "pySigma-backend-elasticsearch==2.1.1", "pySigma-backend-opensearch==2.0.3", "pySigma-backend-splunk==2.1.0",
}

// Sigma returns the command line that runs sigma-cli.
func Sigma(t testing.TB) []string {
	t.Helper()
	return []string{Python(t, sigmaPackages...), "-m", "sigma.cli.main"}
}
