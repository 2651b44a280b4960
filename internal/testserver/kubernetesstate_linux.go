package testserver

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kubernetesState returns the empty folder of the machine's only cluster, for as long
// as t runs. It is always the same, so that what a killed test left running can be
// found and ended.
func kubernetesState(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		Unavailable(t, "no cache directory: %v", err)
	}
	dir := filepath.Join(cache, "auditlog-connector", "cluster")
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
	if err := clearCluster(dir); err != nil {
		t.Fatalf("clear %s of what an earlier cluster left: %v", dir, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			keepLogs(t, dir)
		}
		if err := clearCluster(dir); err != nil {
			t.Errorf("clear %s: %v", dir, err)
		}
	})
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// keepLogs saves what the cluster's programs said for whoever looks for the reason of
// a failure.
func keepLogs(t testing.TB, dir string) {
	kept := dir + "-logs"
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if err := errors.Join(os.RemoveAll(kept), os.MkdirAll(kept, 0o700)); err != nil {
		t.Log(err)
		return
	}
	for _, log := range logs {
		if err := os.Rename(log, filepath.Join(kept, filepath.Base(log))); err != nil {
			t.Log(err)
		}
	}
	t.Logf("the cluster's logs are in %s", kept)
}

// clearCluster ends what runs in dir, unmounts what is mounted there, removes it and
// the cluster's network.
func clearCluster(dir string) error {
	networks := podNetworks(dir)
	for _, pid := range podProcesses(dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	for range 5 { // mounts lie over one another, and processes take a moment to let go of them
		for _, point := range mountsBelow(dir) {
			_ = syscall.Unmount(point, syscall.MNT_DETACH)
		}
		if len(mountsBelow(dir)) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left := mountsBelow(dir); len(left) > 0 {
		return errors.New("still mounted: " + strings.Join(left, ", "))
	}
	for _, file := range networks {
		_ = syscall.Unmount(file, syscall.MNT_DETACH)
		_ = os.Remove(file)
	}
	for _, args := range [][]string{{"link", "del", kubernetesBridge}, {"addr", "del", KubernetesHost + "/32", "dev", "lo"}} {
		_ = exec.Command("ip", args...).Run() // there may be none
	}
	return os.RemoveAll(dir)
}

// taskFolder is where containerd has a folder for each container.
const taskFolder = "containerd/state/io.containerd.runtime.v2.task/k8s.io"

// podProcesses returns the processes that containers of the cluster in dir began
// with, and containerd's shims, each of which looks after one pod.
func podProcesses(dir string) []int {
	var all []int
	files, _ := filepath.Glob(filepath.Join(dir, taskFolder, "*", "init.pid"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		pid, numErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || numErr != nil {
			continue
		}
		// The number may be another process's by now; a container's names its cgroup.
		groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
		if err == nil && bytes.Contains(groups, []byte(filepath.Base(filepath.Dir(file)))) {
			all = append(all, pid)
		}
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range commands {
		text, err := os.ReadFile(file)
		args := strings.Split(string(text), "\x00")
		if err != nil || !strings.HasSuffix(args[0], "/containerd-shim-runc-v2") || !slices.Contains(args, filepath.Join(dir, "containerd.sock")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

var networkFile = regexp.MustCompile(`/var/run/netns/cni-[0-9a-f-]+`)

// podNetworks returns the files that keep the network of each pod of the cluster in
// dir, with its end of a cable to this machine.
func podNetworks(dir string) []string {
	var all []string
	files, _ := filepath.Glob(filepath.Join(dir, taskFolder, "*", "config.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			all = append(all, networkFile.FindAllString(string(text), -1)...)
		}
	}
	return all
}

// mountsBelow returns what is mounted below dir, the latest first.
func mountsBelow(dir string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			all = append(all, fields[4])
		}
	}
	slices.Reverse(all)
	return all
}
