package testserver

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Tool runs a command of Kafka's own against the cluster, as somebody who may do
// anything, and returns what it printed. Names: topics, configs, transactions,
// acls, consume.
func (k *Kafka) Tool(name string, args ...string) (string, error) {
	old := strings.HasPrefix(k.Options.Version, "3.")
	class := map[string]string{
		"topics": "org.apache.kafka.tools.TopicCommand", "configs": "kafka.admin.ConfigCommand",
		"transactions": "org.apache.kafka.tools.TransactionsCommand", "acls": "org.apache.kafka.tools.AclCommand",
		"consume": "org.apache.kafka.tools.consumer.ConsoleConsumer",
	}[name]
	if name == "acls" && old {
		class = "kafka.admin.AclCommand"
	}
	if class == "" {
		return "", fmt.Errorf("kafka: no tool %q", name)
	}
	return k.run(class, append([]string{"--bootstrap-server", k.internal()}, args...)...)
}

// internal is where the brokers speak among themselves, without login.
func (k *Kafka) internal() string {
	addrs := make([]string, len(k.nodes))
	for i, n := range k.nodes {
		addrs[i] = n.broker
	}
	return strings.Join(addrs, ",")
}

// Topic makes a topic, as an operator does.
func (k *Kafka) Topic(name string, partitions int, config ...string) {
	k.t.Helper()
	args := []string{"--create", "--topic", name, "--partitions", fmt.Sprint(partitions)}
	for _, c := range config {
		args = append(args, "--config", c)
	}
	if out, err := k.Tool("topics", args...); err != nil {
		k.t.Fatalf("make topic %s: %v\n%s", name, err, out)
	}
}

// ConsumedRecord is a record as a foreign consumer printed it.
type ConsumedRecord struct {
	Headers map[string]string
	Key     string
	Value   string
}

// Consume reads topics with Kafka's own console consumer, what is committed only,
// until they give nothing for idle. It has to be longer than Java and the consumer
// take to start.
func (k *Kafka) Consume(idle time.Duration, topics ...string) ([]ConsumedRecord, error) {
	flag := "--formatter-property"
	if v := k.Options.Version; strings.HasPrefix(v, "3.") || strings.HasPrefix(v, "4.0") || strings.HasPrefix(v, "4.1") {
		flag = "--property"
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = regexp.QuoteMeta(t)
	}
	out, err := k.Tool("consume", "--include", strings.Join(names, "|"), "--from-beginning", "--timeout-ms", fmt.Sprint(idle.Milliseconds()),
		"--isolation-level", "read_committed", flag, "print.headers=true", flag, "print.key=true",
		flag, "key.separator=\x1f", flag, "headers.separator=\x1d", flag, "line.separator=\x1e")
	if err != nil && !strings.Contains(err.Error(), "TimeoutException") && !strings.Contains(err.Error(), "Processed a total of") {
		return nil, err
	}
	var records []ConsumedRecord
	for _, line := range strings.Split(out, "\x1e") {
		parts := strings.SplitN(line, "\x1f", 3)
		if len(parts) == 3 {
			records = append(records, ConsumedRecord{headers(parts[0], "\x1d"), parts[1], parts[2]})
		}
	}
	return records, nil
}

// headers reads name:value pairs.
func headers(text, separator string) map[string]string {
	h := make(map[string]string)
	for _, pair := range strings.Split(text, separator) {
		name, value, _ := strings.Cut(pair, ":")
		h[name] = value
	}
	return h
}

// Kcat reads a topic with librdkafka, what is committed only, to its end. It skips t
// where kcat is not installed.
func (k *Kafka) Kcat(t testing.TB, topic string) []ConsumedRecord {
	t.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		Unavailable(t, "no kcat in PATH (apt-get install kcat)")
	}
	cmd := exec.Command(path, "-b", k.internal(), "-X", "isolation.level=read_committed", "-C", "-q", "-e", "-o", "beginning", "-t", topic,
		"-f", "%h\x1f%k\x1f%s\x1e")
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kcat: %v\n%s", err, problems.String())
	}
	var records []ConsumedRecord
	for _, line := range strings.Split(string(out), "\x1e") {
		if parts := strings.SplitN(line, "\x1f", 3); len(parts) == 3 {
			h := make(map[string]string)
			for _, pair := range strings.Split(parts[0], ",") {
				name, value, _ := strings.Cut(pair, "=")
				h[name] = value
			}
			records = append(records, ConsumedRecord{h, parts[1], parts[2]})
		}
	}
	return records
}
