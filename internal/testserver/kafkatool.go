package testserver

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

const consoleConsumer = "org.apache.kafka.tools.consumer.ConsoleConsumer"

// Tool runs a command of Kafka's own against the cluster, as somebody who may do
// anything, and returns what it printed. Names: topics, configs, transactions, acls.
func (k *Kafka) Tool(name string, args ...string) (string, error) {
	old := strings.HasPrefix(k.Options.Version, "3.")
	class := map[string]string{
		"topics": "org.apache.kafka.tools.TopicCommand", "configs": "kafka.admin.ConfigCommand",
		"transactions": "org.apache.kafka.tools.TransactionsCommand", "acls": "org.apache.kafka.tools.AclCommand",
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

const (
	consumeStart    = 30 * time.Second
	consumePatience = 2 * time.Minute // for a consumer to start, and for the records it lacks
	consumeSurplus  = 2 * time.Second // without another record, once it has what is wanted
)

// ConsumeAll reads topics with Kafka's own console consumer, what is committed only,
// until it has want records and a moment more: there may be too many. Where there are
// too few it gives up after two minutes and returns those.
func (k *Kafka) ConsumeAll(want int, topics ...string) ([]ConsumedRecord, error) {
	return k.consume(topics, want, consumePatience, consumeSurplus)
}

// Consume does the same until nothing comes for idle; for the first record it waits
// as long as a consumer may take to start, too.
func (k *Kafka) Consume(idle time.Duration, topics ...string) ([]ConsumedRecord, error) {
	return k.consume(topics, 1, consumeStart+idle, idle)
}

func (k *Kafka) consume(topics []string, want int, patience, surplus time.Duration) ([]ConsumedRecord, error) {
	flag := "--formatter-property"
	if v := k.Options.Version; strings.HasPrefix(v, "3.") || strings.HasPrefix(v, "4.0") || strings.HasPrefix(v, "4.1") {
		flag = "--property"
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = regexp.QuoteMeta(t)
	}
	cmd := k.command(consoleConsumer, "--bootstrap-server", k.internal(), "--include", strings.Join(names, "|"), "--from-beginning",
		"--isolation-level", "read_committed", flag, "print.headers=true", flag, "print.key=true",
		flag, "key.separator=\x1f", flag, "headers.separator=\x1d", flag, "line.separator=\x1e")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var problems strings.Builder
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	printed := make(chan ConsumedRecord)
	go func() {
		defer close(printed)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\x1e')
			if err != nil {
				return
			}
			if parts := strings.SplitN(strings.TrimSuffix(line, "\x1e"), "\x1f", 3); len(parts) == 3 {
				printed <- ConsumedRecord{headers(parts[0], "\x1d"), parts[1], parts[2]}
			}
		}
	}()
	records, ended := gather(printed, want, patience, surplus)
	_ = cmd.Process.Kill()
	for range printed { // what came after the time was up
	}
	_ = cmd.Wait() // it was killed
	if ended {
		return records, fmt.Errorf("the console consumer ended by itself: %s", problems.String())
	}
	return records, nil
}

// gather takes records for patience, or, once there are as many as wanted, until none
// comes for surplus. It says whether the channel was closed before.
func gather(printed <-chan ConsumedRecord, want int, patience, surplus time.Duration) (records []ConsumedRecord, ended bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if len(records) >= want {
			timer.Reset(surplus)
		}
		select {
		case r, ok := <-printed:
			if !ok {
				return records, true
			}
			records = append(records, r)
		case <-timer.C:
			return records, false
		}
	}
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

// Kcat reads a topic with librdkafka, what is committed only, to its end.
func (k *Kafka) Kcat(t testing.TB, topic string) []ConsumedRecord {
	t.Helper()
	cmd := exec.Command(Program(t, "kcat", "kcat"), "-b", k.internal(), "-X", "isolation.level=read_committed", "-C", "-q", "-e", "-o", "beginning", "-t", topic,
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
