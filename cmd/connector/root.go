package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/sinks"
	"auditlog-connector/sources"
)

// app is what the verbs share: the outside world, and the kinds of sources and
// sinks that there are.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(name string) (string, bool)
	now            func() time.Time
	sources        *sources.Registry
	sinks          *sinks.Registry

	logLevel string // --log-level; empty: as configured
	begun    bool   // a verb has begun, the command line was right
}

// run executes one command line and returns its exit code. It returns after
// everything it started has ended; ctx being done stops it in good order.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) int {
	a := &app{
		stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: lookupEnv, now: time.Now,
		sources: sourceTypes(), sinks: sinkTypes(),
	}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.command()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(ctx, err, a.begun)
	var e *exitError
	if err != nil && !(errors.As(err, &e) && e.err == nil) {
		fmt.Fprintf(a.stderr, "%s: %v\n", root.Name(), err)
		if !a.begun {
			fmt.Fprintf(a.stderr, "see: %s --help\n", cmd.CommandPath())
		}
	}
	return code
}

// command builds the tree of verbs.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "connector",
		Short: "Exports an organization's audit log to your destinations, each event once",
		Long: `connector reads OpenAI's organization audit log and delivers it to any number of
destinations. Each gets each event once, or "connector validate" says plainly
why that cannot be promised.`,
		Example: `  OPENAI_ADMIN_KEY=sk-admin-… connector run
  connector validate --config connector.yaml
  connector query "SELECT type, count(*) FROM audit_logs GROUP BY 1"`,
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().StringVar(&a.logLevel, "log-level", "", "debug, info, warn or error; for a lane of its own: info,acme/archive=debug (default: as configured, else info)")
	_ = root.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(
		[]cobra.Completion{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		a.runCommand(),
		a.demoCommand(),
		a.validateCommand(),
		a.checkCommand(),
		a.statusCommand(),
		a.checkpointCommand(),
		a.quarantineCommand(),
		a.queryCommand(),
		a.archiveCommand(),
		a.normalizeCommand(),
		a.simulateCommand(),
		a.schemaCommand(),
		a.versionCommand(),
	)
	root.InitDefaultCompletionCmd()
	return root
}

// verb wraps what a command does, so that errors from here on are not taken for
// mistakes on the command line.
func (a *app) verb(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if _, err := parseLogLevels(a.logLevel, slog.LevelInfo); a.logLevel != "" && err != nil {
			return fmt.Errorf("--log-level: %w", err)
		}
		a.begun = true
		return f(cmd.Context(), args)
	}
}
