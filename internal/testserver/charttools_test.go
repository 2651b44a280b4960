package testserver_test

import (
	"os/exec"
	"testing"

	"auditlog-connector/internal/testserver"
)

func TestChartToolsRun(t *testing.T) {
	testserver.Require(t)
	for _, tool := range []struct {
		path string
		args []string
	}{
		{testserver.Helm(t), []string{"version"}},
		{testserver.Kubeconform(t), []string{"-v"}},
		{testserver.KubeScore(t), []string{"version"}},
		{testserver.HelmUnittest(t), []string{"--help"}},
	} {
		if err := testserver.Run(exec.Command(tool.path, tool.args...)); err != nil {
			t.Error(err)
		}
	}
}
