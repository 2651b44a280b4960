package testserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// java returns the path of Java.
func java(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("java")
	if err != nil {
		Unavailable(t, "no java in PATH")
	}
	return path
}

// installKafka returns the folder of a release's jars, which Maven fetches. Kafka 3
// logs through reload4j, Kafka 4 through log4j 2; the artifacts leave that to us.
func installKafka(t testing.TB, version string) string {
	t.Helper()
	java(t)
	return Install(t, "kafka-"+version, func(dir string) error {
		logging := [][3]string{{"org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"}, {"org.apache.logging.log4j", "log4j-core", "2.24.3"}}
		if strings.HasPrefix(version, "3.") {
			logging = [][3]string{{"org.slf4j", "slf4j-reload4j", "1.7.36"}}
		}
		var deps strings.Builder
		for _, d := range append([][3]string{{"org.apache.kafka", "kafka_2.13", version}, {"org.apache.kafka", "kafka-tools", version}}, logging...) {
			fmt.Fprintf(&deps, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>", d[0], d[1], d[2])
		}
		files := map[string]string{
			"pom.xml": `<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId>` +
				`<artifactId>kafka-server</artifactId><version>1</version><packaging>pom</packaging><dependencies>` + deps.String() + `</dependencies></project>`,
			"log4j.properties": "log4j.rootLogger=${log.level}, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\nlog4j.appender.out.Target=System.err\n" +
				"log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d %p %m (%c{1})%n\n",
			"log4j2.properties": "appender.out.type=Console\nappender.out.name=out\nappender.out.target=SYSTEM_ERR\nappender.out.layout.type=PatternLayout\n" +
				"appender.out.layout.pattern=%d %p %m (%c{1})%n\nrootLogger.level=${sys:log.level}\nrootLogger.appenderRef.out.ref=out\n",
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
		cmd := exec.Command("mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib")
		cmd.Dir = dir
		return Run(cmd)
	})
}

// java returns the arguments of a Java virtual machine with the release's classes.
func (k *Kafka) java(options ...string) []string {
	level := "INFO"
	if len(options) == 0 {
		// A tool starts fast and says errors only.
		options, level = []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, "ERROR"
	}
	return append(options, "-Dlog.level="+level, "-Dlog4j.configuration=file:"+filepath.Join(k.lib, "log4j.properties"),
		"-Dlog4j2.configurationFile="+filepath.Join(k.lib, "log4j2.properties"), "-cp", filepath.Join(k.lib, "lib", "*"))
}

// command is a class of the release, not started yet.
func (k *Kafka) command(class string, args ...string) *exec.Cmd {
	cmd := exec.Command(java(k.t), append(append(k.java(), class), args...)...)
	dieWithParent(cmd)
	return cmd
}

// run runs a class of the release to its end.
func (k *Kafka) run(class string, args ...string) (string, error) {
	cmd := k.command(class, args...)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%w: %s", err, problems.String())
	}
	return string(out), nil
}

// knownBrokers asks the broker at addr how many brokers it knows of.
func knownBrokers(ctx context.Context, addr string) (int, error) {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}
	// Metadata, version 1, of no topic: API key, version, correlation, no client
	// ID, an empty array.
	request := []byte{0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0}
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return 0, err
	}
	answer := make([]byte, 12) // size, correlation, length of the array of brokers
	if _, err := io.ReadFull(c, answer); err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint32(answer[8:])), nil
}
