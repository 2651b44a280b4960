package testserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// KafkaVersions are the releases that the tests run against, newest first.
var KafkaVersions = []string{"4.3.1", "3.9.2"}

// kafkaPatience is how long a cluster may take to be up: seconds on an idle machine.
const kafkaPatience = 6 * time.Minute

// KafkaOptions describe a cluster. The zero value is one node of the newest
// release, in plain text.
type KafkaOptions struct {
	Version  string
	Nodes    int
	TLS      bool              // clients have to use TLS; their certificates are looked at
	SASL     bool              // clients have to log in; ACLs deny by default
	Settings map[string]string // of every broker, beside ours
	Measured bool              // it takes its time to start, and is fast then

	// Advertise returns the address that clients are told for a node, given the
	// one it listens on: a proxy's. Nil: its own.
	Advertise func(node int, addr string) string
}

// Kafka is a cluster of Apache Kafka on the loopback interface; every node is
// broker and controller. With SASL it knows the users "admin", who may do anything,
// and "alice", who may nothing; their passwords are KafkaPassword of the name.
type Kafka struct {
	Options KafkaOptions
	Brokers []string // where clients connect
	Certs   *KafkaCerts
	nodes   []*kafkaNode
	t       testing.TB
	lib     string
	dir     string
	cluster string
}

type kafkaNode struct {
	*Process
	running                    bool // nobody killed it
	id                         int
	client, broker, controller string // addresses
	dir                        string
}

// KafkaPassword is the password of a user of a test cluster.
func KafkaPassword(user string) string { return user + "-example" }

// StartKafka starts a cluster and waits until every node answers. It ends with t.
func StartKafka(t testing.TB, o KafkaOptions) *Kafka {
	t.Helper()
	if o.Version == "" {
		o.Version = KafkaVersions[0]
	}
	o.Nodes = max(o.Nodes, 1)
	k := &Kafka{Options: o, t: t, lib: installKafka(t, o.Version), dir: t.TempDir(), cluster: "AAAAAAAAAAAAAAAAAAAAAQ"}
	if o.TLS {
		k.Certs = makeKafkaCerts(t, k.dir)
	}
	for i := range o.Nodes {
		addr := func() string { return fmt.Sprintf("127.0.0.1:%d", FreePort(t)) }
		n := &kafkaNode{id: i + 1, client: addr(), broker: addr(), controller: addr(), dir: filepath.Join(k.dir, fmt.Sprint("node", i+1))}
		k.nodes = append(k.nodes, n)
		k.Brokers = append(k.Brokers, n.advertised(o))
	}
	k.format()
	jvm := []string{"-Xms128m", "-Xmx512m"}
	if !o.Measured {
		jvm = append(jvm, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
	}
	for _, n := range k.nodes {
		n.Process = Start(t, Command{
			Path: java(t), Dir: n.dir, Log: filepath.Join(n.dir, "server.log"), Timeout: kafkaPatience,
			Args:  append(k.java(jvm...), "kafka.Kafka", n.properties()),
			Ready: func(context.Context) error { return nil }, // Await waits for all of them
		})
		n.running = true
	}
	k.Await(o.Nodes)
	return k
}

func (n *kafkaNode) advertised(o KafkaOptions) string {
	if o.Advertise == nil {
		return n.client
	}
	return o.Advertise(n.id, n.client)
}

func (n *kafkaNode) ended() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// Listener returns the address on which a node takes clients, whatever it
// advertises.
func (k *Kafka) Listener(id int) string { return k.nodes[id-1].client }

// Await waits until n nodes take requests and know of one another.
func (k *Kafka) Await(n int) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kafkaPatience)
	defer cancel()
	for {
		up, err := 0, error(nil)
		for _, node := range k.nodes {
			known, e := knownBrokers(ctx, node.broker)
			if e != nil {
				err = e
			} else if known >= n {
				up++
			}
		}
		if up >= n {
			return
		}
		for _, node := range k.nodes {
			if node.running && node.ended() {
				k.t.Fatalf("kafka: node %d ended by itself:\n%s", node.id, node.Tail())
			}
		}
		select {
		case <-ctx.Done():
			k.t.Fatalf("kafka: %d of %d nodes are up: %v\n%s", up, n, err, k.nodes[0].Tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Kill ends nodes as a power cut does, all at the same time.
func (k *Kafka) Kill(ids ...int) {
	for _, id := range ids {
		k.nodes[id-1].running = false
		k.nodes[id-1].Signal(syscall.SIGKILL)
	}
	for _, id := range ids {
		k.nodes[id-1].Kill()
	}
}

// Up starts nodes again that were killed, and waits until all that run take requests.
func (k *Kafka) Up(ids ...int) {
	k.t.Helper()
	for _, id := range ids {
		k.nodes[id-1].Start()
		k.nodes[id-1].running = true
	}
	n := 0
	for _, node := range k.nodes {
		if node.running {
			n++
		}
	}
	k.Await(n)
}

// format writes the nodes' configuration and makes their data directories. SCRAM
// users are part of the first metadata. What Kafka's tool makes for the first node is
// copied for the others: they differ in two lines.
func (k *Kafka) format() {
	k.t.Helper()
	for _, n := range k.nodes {
		if err := errors.Join(os.MkdirAll(n.data(), 0o700), os.WriteFile(n.properties(), []byte(k.properties(n)), 0o600)); err != nil {
			k.t.Fatal(err)
		}
	}
	first := k.nodes[0]
	args := []string{"format", "--ignore-formatted", "-t", k.cluster, "-c", first.properties()}
	if k.Options.SASL {
		for _, user := range []string{"admin", "alice"} {
			for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
				args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", m, user, KafkaPassword(user)))
			}
		}
	}
	if out, err := k.run("kafka.tools.StorageTool", args...); err != nil {
		k.t.Fatalf("kafka: format: %v\n%s", err, out)
	}
	for _, n := range k.nodes[1:] {
		if err := n.formatAs(first); err != nil {
			k.t.Fatalf("kafka: format node %d: %v", n.id, err)
		}
	}
}

func (n *kafkaNode) data() string       { return filepath.Join(n.dir, "data") }
func (n *kafkaNode) properties() string { return filepath.Join(n.dir, "server.properties") }

// formatAs makes n's data directory like another node's.
func (n *kafkaNode) formatAs(other *kafkaNode) error {
	const meta = "meta.properties"
	if err := os.CopyFS(n.data(), os.DirFS(other.data())); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(other.data(), meta))
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "node.id":
			lines[i] = fmt.Sprint("node.id=", n.id)
		case "directory.id":
			var id [16]byte
			_, _ = rand.Read(id[:]) // it does not fail
			lines[i] = "directory.id=" + base64.RawURLEncoding.EncodeToString(id[:])
		}
	}
	return os.WriteFile(filepath.Join(n.data(), meta), []byte(strings.Join(lines, "\n")), 0o600)
}

func (k *Kafka) properties(n *kafkaNode) string {
	replicas := min(k.Options.Nodes, 3)
	quorum := max(1, replicas-1)
	voters := make([]string, len(k.nodes))
	for i, v := range k.nodes {
		voters[i] = fmt.Sprintf("%d@%s", v.id, v.controller)
	}
	protocol := map[[2]bool]string{{false, false}: "PLAINTEXT", {true, false}: "SSL", {false, true}: "SASL_PLAINTEXT", {true, true}: "SASL_SSL"}
	lines := []string{
		"process.roles=broker,controller", fmt.Sprint("node.id=", n.id), "log.dirs=" + n.data(),
		fmt.Sprintf("listeners=CLIENT://%s,INTERNAL://%s,CONTROLLER://%s", n.client, n.broker, n.controller),
		fmt.Sprintf("advertised.listeners=CLIENT://%s,INTERNAL://%s", n.advertised(k.Options), n.broker),
		fmt.Sprintf("listener.security.protocol.map=CLIENT:%s,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT", protocol[[2]bool{k.Options.TLS, k.Options.SASL}]),
		"inter.broker.listener.name=INTERNAL", "controller.listener.names=CONTROLLER",
		"controller.quorum.voters=" + strings.Join(voters, ","),
		fmt.Sprint("default.replication.factor=", replicas), fmt.Sprint("min.insync.replicas=", quorum),
		fmt.Sprint("offsets.topic.replication.factor=", replicas), "offsets.topic.num.partitions=4",
		fmt.Sprint("transaction.state.log.replication.factor=", replicas), fmt.Sprint("transaction.state.log.min.isr=", quorum),
		"transaction.state.log.num.partitions=4", "group.initial.rebalance.delay.ms=0", "log.cleaner.dedupe.buffer.size=8388608",
		"auto.create.topics.enable=false", "num.partitions=4",
	}
	if k.Options.TLS {
		lines = append(lines, "ssl.client.auth=requested", "ssl.keystore.type=PEM", "ssl.keystore.location="+k.Certs.bundle,
			"ssl.truststore.type=PEM", "ssl.truststore.location="+k.Certs.CA)
	}
	if k.Options.SASL {
		const login, module = "listener.name.client.%s.sasl.jaas.config=org.apache.kafka.common.security.%s required%s;", ""
		lines = append(lines, "sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
			fmt.Sprintf(login, "scram-sha-256", "scram.ScramLoginModule", module), fmt.Sprintf(login, "scram-sha-512", "scram.ScramLoginModule", module),
			fmt.Sprintf(login, "plain", "plain.PlainLoginModule", fmt.Sprintf(` user_admin="%s" user_alice="%s"`, KafkaPassword("admin"), KafkaPassword("alice"))),
			"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			// The other listeners have no login: ANONYMOUS is the brokers, and our tools.
			"super.users=User:admin;User:ANONYMOUS")
	}
	for key, value := range k.Options.Settings {
		lines = append(lines, key+"="+value)
	}
	return strings.Join(lines, "\n") + "\n"
}
