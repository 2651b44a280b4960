package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/internal/openaisim"
)

func (a *app) simulateCommand() *cobra.Command {
	var c openaisim.Config
	var listen string
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Serves an invented organization's audit log, for trying the connector",
		Long: `simulate is the audit-log API as a local server: an organization with people,
service accounts and projects, both listings and all event types, without an
account. It prints what to set so that "connector run" reads from it, and serves
until it is stopped. Use --seed for the same organization again.`,
		Example: `  connector simulate --listen 127.0.0.1:8080 --events 10000
  connector simulate --listen 127.0.0.1:0 --rate 5 --late 0.1 --fault-rate 0.05`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			if err := c.Validate(); err != nil {
				return usage(err)
			}
			return a.simulate(ctx, c, listen)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8080", "address to serve at; port 0 picks a free one")
	f.IntVar(&c.Events, "events", 10_000, "events that exist from the start")
	f.Float64Var(&c.Rate, "rate", 0, "further events per second")
	f.Uint64Var(&c.Seed, "seed", 1, "decides what is invented and what goes wrong")
	f.StringVar(&c.AdminKey, "admin-key", openaisim.DefaultAdminKey, "the key that is let in")
	f.DurationVar(&c.Delay, "delay", 0, "longest usual time until an event is visible")
	f.Float64Var(&c.Late, "late", 0, "share of events that become visible later, up to --late-max")
	f.DurationVar(&c.LateMax, "late-max", 10*time.Minute, "longest time until a late event is visible")
	f.Float64Var(&c.Future, "future", 0, "share of events dated in the future")
	f.DurationVar(&c.Retention, "retention", 0, "age at which events vanish (0: never)")
	f.DurationVar(&c.Latency, "latency", 0, "time before each answer")
	f.Float64Var(&c.RateLimit, "rate-limit", 0, "requests per second beyond which the answer is 429 (0: no limit)")
	f.Float64Var(&c.Faults.ErrorRate, "fault-rate", 0, "share of requests that fail")
	return cmd
}

func (a *app) simulate(ctx context.Context, c openaisim.Config, listen string) error {
	sim, err := openaisim.New(c)
	if err != nil {
		return usage(err)
	}
	addr, stop, err := sim.Start(listen)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	fmt.Fprintf(a.stdout, "export OPENAI_BASE_URL=http://%s/v1 OPENAI_ADMIN_KEY=%s\n", addr, c.AdminKey)
	fmt.Fprintf(a.stderr, "serving %d events; stop with Ctrl-C\n", c.Events)
	<-ctx.Done()
	stop()
	return nil
}
