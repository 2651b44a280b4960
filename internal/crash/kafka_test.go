//go:build unix

package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
)

// kafkaTopic is the topic of all worlds.
const kafkaTopic = "audit"

// kafkaWorld is a world whose events go to a topic of a broker behind a proxy. Each
// has a lane, and so a transactional id, of its own.
type kafkaWorld struct {
	*world
	sink string
}

// streaming is a log of which one run makes some 200 requests to Kafka.
func streaming() options {
	o := catchingUp()
	o.pageSize, o.batch, o.sim.Latency = 40, 16, 0
	return o
}

func newKafkaWorld(o options, brokers, sink string) (*kafkaWorld, error) {
	w, err := newWorld(o)
	if err != nil {
		return nil, err
	}
	config := w.configuration()
	config = config[:strings.Index(config, "sinks:")] + fmt.Sprintf(`sinks:
  - name: %[4]s
    type: kafka
    start: %[1]s
    batch: { max_events: %[2]d }
    config:
      brokers: [%[3]s]
      topic: %[5]s
      create_topics: true
      format: json
      schema: raw
`, o.from.UTC().Format(time.RFC3339), o.batch, brokers, sink, kafkaTopic)
	return &kafkaWorld{w, sink}, os.WriteFile(w.path("connector.yaml"), []byte(config), 0o600)
}

// holds compares what a foreign consumer reads of the lane with the log.
func (w *kafkaWorld) holds(records []testserver.ConsumedRecord) error {
	log := make(map[string][]byte)
	for e := range w.sim.Events() {
		log[e.ID] = e.Body
	}
	var rows []row
	for _, r := range records {
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(r.Value), &e); err != nil {
			return fmt.Errorf("value %.100q: %w", r.Value, err)
		}
		rows = append(rows, row{id: e.ID, raw: []byte(r.Value)})
	}
	return compare("lane acme/"+w.sink, log, rows, compact)
}

// TestKafkaKilled has one broker, behind a proxy that kills when it is told to. Kafka's own
// consumer and librdkafka see every event once, and no transaction is left hanging.
func TestKafkaKilled(t *testing.T) {
	testserver.Require(t)
	proxy := testserver.NewKafkaProxy(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Advertise: func(int, string) string { return proxy.Addr }})
	proxy.Serve(k.Listener(1))
	var worlds []*kafkaWorld
	t.Run("at requests", func(t *testing.T) { worlds = append(worlds, kafkaKilled(t, proxy)...) })
	t.Run("zombie", func(t *testing.T) { worlds = append(worlds, kafkaZombie(t, proxy)) })
	agree(t, k, worlds...)
	noHangingTransaction(t, k)
}

// kafkaKilled kills the program at requests to Kafka and to the source, before they
// are looked at and after they were answered, and lets it finish.
func kafkaKilled(t *testing.T, proxy *testserver.KafkaProxy) []*kafkaWorld {
	var worlds []*kafkaWorld
	defer func() {
		for _, w := range worlds {
			w.close()
		}
	}()
	undisturbed := func(name string) (*kafkaWorld, *process) {
		w, err := newKafkaWorld(streaming(), proxy.Addr, name)
		if err != nil {
			t.Fatal(err)
		}
		worlds = append(worlds, w)
		proxy.Judge(nil, nil)
		p, err := w.finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return w, p
	}
	undisturbed("first") // makes the topics, for which it needs more requests
	w, p := undisturbed("count")
	toKafka, toSource := proxy.Requests(), w.sim.Stats().Requests-p.base
	if toKafka < 150 || toKafka > 400 {
		t.Errorf("an undisturbed run makes %d requests to Kafka, want about 200", toKafka)
	}
	killed, doubts, tried := 0, 0, 0
	for kind, n := range map[string]int{"kafka-before": toKafka, "kafka-after": toKafka, "source-before": toSource, "source-after": toSource} {
		t.Run(kind, func(t *testing.T) {
			for at := 1; at <= n; at += max(*every, 1) {
				if *point > 0 && at != *point {
					continue
				}
				tried++
				w, died, err := kafkaPoint(t.Context(), proxy, kind, at)
				if w != nil {
					worlds = append(worlds, w)
				}
				if err != nil {
					t.Fatalf("%s %d: %v", kind, at, err)
				}
				if died.killed {
					killed++
				}
				if died.doubt {
					doubts++
				}
			}
		})
	}
	t.Logf("%d points, %d killed there, %d left a batch in doubt", tried, killed, doubts)
	if !few() && (killed*10 < tried*8 || doubts*4 < killed) {
		t.Errorf("%d points, %d killed there, %d in doubt: too kind", tried, killed, doubts)
	}
	return worlds
}

// agree compares what Kafka's own consumer and librdkafka read with the log: every
// event once.
func agree(t *testing.T, k *testserver.Kafka, worlds ...*kafkaWorld) {
	t.Helper()
	want := 0
	for _, w := range worlds {
		for range w.sim.Events() {
			want++
		}
	}
	compare := func(t *testing.T, records []testserver.ConsumedRecord) {
		bySink := make(map[string][]testserver.ConsumedRecord)
		for _, r := range records {
			if parts := strings.Split(r.Headers["batch_id"], "/"); len(parts) > 1 {
				bySink[parts[1]] = append(bySink[parts[1]], r)
			}
		}
		for _, w := range worlds {
			if err := w.holds(bySink[w.sink]); err != nil {
				t.Error(err)
			}
		}
		if len(records) != want {
			t.Errorf("%d records, want %d", len(records), want)
		}
	}
	records, err := k.ConsumeAll(want, kafkaTopic)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("console consumer", func(t *testing.T) { compare(t, records) })
	t.Run("kcat", func(t *testing.T) { compare(t, k.Kcat(t, kafkaTopic)) })
}

type death struct{ killed, doubt bool }

// kafkaPoint is one kill from the beginning to the end of the next life.
func kafkaPoint(ctx context.Context, proxy *testserver.KafkaProxy, kind string, at int) (*kafkaWorld, death, error) {
	w, err := newKafkaWorld(streaming(), proxy.Addr, fmt.Sprintf("%s-%d", kind, at))
	if err != nil {
		return nil, death{}, err
	}
	where, when, _ := strings.Cut(kind, "-")
	var hookAt hook
	if where == "source" {
		hookAt = killAt(at, when == "after")
	}
	p, err := w.killedAt(ctx, proxy, hookAt, where == "kafka", when == "after", at)
	if err != nil {
		return w, death{}, err
	}
	var d death
	if d.killed, err = p.dead(); err != nil {
		return w, d, err
	}
	proxy.Judge(nil, nil)
	if err := w.settle(); err != nil {
		return w, d, err
	}
	again, err := w.finish(ctx)
	if err != nil {
		return w, d, err
	}
	how, err := again.settled()
	d.doubt = len(how) > 0
	return w, d, err
}

func (w *kafkaWorld) killedAt(ctx context.Context, proxy *testserver.KafkaProxy, at hook, kafka, after bool, n int) (*process, error) {
	var once sync.Once
	ready := make(chan *process, 1)
	kill := func(now bool, i int) {
		if kafka && now && i == n {
			once.Do(func() { p := <-ready; <-p.begun; p.kill() })
		}
	}
	proxy.Judge(func(i int, _ int16) testserver.Fate {
		kill(!after, i)
		return testserver.Pass
	}, func(i int, _ int16) { kill(after, i) })
	p, err := w.start(at, "run", "--once", "--config", w.path("connector.yaml"))
	if err != nil {
		return nil, err
	}
	ready <- p
	return p, p.wait(ctx)
}

// noHangingTransaction asks Kafka's own tool.
func noHangingTransaction(t *testing.T, k *testserver.Kafka) {
	t.Helper()
	out, err := k.Tool("transactions", "find-hanging", "--broker-id", "1", "--max-transaction-timeout", "0")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) > 1 || len(lines) == 1 && !strings.HasPrefix(lines[0], "Topic") && lines[0] != "" {
		t.Errorf("hanging transactions: %v\n%s", err, out)
	}
}

// kafkaZombie stops a connector in the middle, lets a second one take over, and wakes
// the first: it is fenced, and says so.
func kafkaZombie(t *testing.T, proxy *testserver.KafkaProxy) *kafkaWorld {
	o := streaming()
	o.sim.Latency = 5 * time.Millisecond
	w, err := newKafkaWorld(o, proxy.Addr, "zombie")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)

	// Stop the first before its 20th commit is answered.
	stopped, ready := make(chan struct{}), make(chan *process, 1)
	commits := 0
	var mu sync.Mutex
	proxy.Judge(func(_ int, api int16) testserver.Fate {
		const produce = 0
		if api != produce {
			return testserver.Pass
		}
		mu.Lock()
		defer mu.Unlock()
		if commits++; commits == 20 {
			p := <-ready
			p.signal(syscall.SIGSTOP)
			close(stopped)
		}
		return testserver.Pass
	}, nil)
	zombie, err := w.start(nil, "run", "--once", "--config", w.path("connector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { zombie.signal(syscall.SIGCONT); zombie.kill() })
	ready <- zombie
	select {
	case <-stopped:
	case <-zombie.ended:
		t.Fatalf("it ended before it was stopped:\n%s", zombie.tail())
	case <-time.After(patience):
		t.Fatal("it never came to its 20th transaction")
	}
	// The second has a copy of the checkpoint, as after a fail-over: the first one's
	// lock does not keep it away.
	second := &world{options: w.options, dir: w.dir + "-second", sim: w.sim, http: w.http}
	if err := os.Mkdir(second.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(second.dir) })
	for _, name := range []string{"checkpoint.db", "checkpoint.db.generation"} {
		content, err := os.ReadFile(w.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(second.path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(w.path("connector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(config), w.path("checkpoint.db"), second.path("checkpoint.db"))
	if err := os.WriteFile(second.path("connector.yaml"), []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := second.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	zombie.signal(syscall.SIGCONT)
	if err := zombie.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := zombie.cmd.ProcessState.ExitCode(); code == 0 || !zombie.says("lane is owned by another process") {
		t.Errorf("the zombie ended with %d and has to say that it was fenced:\n%s", code, zombie.tail())
	}
	return w
}
