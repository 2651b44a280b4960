package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
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
	for _, n := range k.nodes {
		k.format(n)
	}
	jvm := []string{"-Xms128m", "-Xmx512m"}
	if !o.Measured {
		jvm = append(jvm, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
	}
	for _, n := range k.nodes {
		n.Process = Start(t, Command{
			Path: java(t), Dir: n.dir, Log: filepath.Join(n.dir, "server.log"), Timeout: kafkaPatience,
			Args:  append(k.java(jvm...), "kafka.Kafka", filepath.Join(n.dir, "server.properties")),
			Ready: func(ctx context.Context) error { return listens(ctx, n.controller) },
		})
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

// Node returns the process of a node, counted from 1.
func (k *Kafka) Node(id int) *Process { return k.nodes[id-1].Process }

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
		select {
		case <-ctx.Done():
			k.t.Fatalf("kafka: %d of %d nodes are up: %v\n%s", up, n, err, k.nodes[0].Tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Up starts a node again that was killed or stopped, and waits for it.
func (k *Kafka) Up(id int) {
	k.t.Helper()
	k.nodes[id-1].Start()
	up := 0
	for _, n := range k.nodes {
		if listens(context.Background(), n.controller) == nil {
			up++
		}
	}
	k.Await(up)
}

// format writes a node's configuration and makes its data directory. SCRAM users
// are part of the first metadata.
func (k *Kafka) format(n *kafkaNode) {
	k.t.Helper()
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		k.t.Fatal(err)
	}
	properties := filepath.Join(n.dir, "server.properties")
	if err := os.WriteFile(properties, []byte(k.properties(n)), 0o600); err != nil {
		k.t.Fatal(err)
	}
	args := []string{"format", "--ignore-formatted", "-t", k.cluster, "-c", properties}
	if k.Options.SASL {
		for _, user := range []string{"admin", "alice"} {
			for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
				args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", m, user, KafkaPassword(user)))
			}
		}
	}
	if out, err := k.run("kafka.tools.StorageTool", args...); err != nil {
		k.t.Fatalf("kafka: format node %d: %v\n%s", n.id, err, out)
	}
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
		"process.roles=broker,controller", fmt.Sprint("node.id=", n.id), "log.dirs=" + filepath.Join(n.dir, "data"),
		fmt.Sprintf("listeners=CLIENT://%s,INTERNAL://%s,CONTROLLER://%s", n.client, n.broker, n.controller),
		fmt.Sprintf("advertised.listeners=CLIENT://%s,INTERNAL://%s", n.advertised(k.Options), n.broker),
		fmt.Sprintf("listener.security.protocol.map=CLIENT:%s,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT", protocol[[2]bool{k.Options.TLS, k.Options.SASL}]),
		"inter.broker.listener.name=INTERNAL", "controller.listener.names=CONTROLLER",
		"controller.quorum.voters=" + strings.Join(voters, ","),
		fmt.Sprint("default.replication.factor=", replicas), fmt.Sprint("min.insync.replicas=", quorum),
		fmt.Sprint("offsets.topic.replication.factor=", replicas), "offsets.topic.num.partitions=4",
		fmt.Sprint("transaction.state.log.replication.factor=", replicas), fmt.Sprint("transaction.state.log.min.isr=", quorum),
		"transaction.state.log.num.partitions=4", "group.initial.rebalance.delay.ms=0", "log.cleaner.dedupe.buffer.size=8388608",
		"auto.create.topics.enable=false",
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

func listens(ctx context.Context, addr string) error {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	return errors.Join(err, closeIf(c))
}

func closeIf(c net.Conn) error {
	if c == nil {
		return nil
	}
	return c.Close()
}
