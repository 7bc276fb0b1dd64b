package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen DOCS")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// write brings docs/cli and docs/man to what the commands say.
func write(docs string) error {
	pages, err := render()
	if err != nil {
		return err
	}
	for _, dir := range []string{"cli", "man"} {
		there, err := filepath.Glob(filepath.Join(docs, dir, "*"))
		if err != nil {
			return err
		}
		for _, path := range there {
			if _, keep := pages[dir+"/"+filepath.Base(path)]; !keep {
				if err := os.Remove(path); err != nil {
					return err
				}
			}
		}
		if err := os.MkdirAll(filepath.Join(docs, dir), 0o777); err != nil {
			return err
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(docs, filepath.FromSlash(name)), text, 0o666); err != nil {
			return err
		}
	}
	path := filepath.Join(docs, "configure.md")
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	after, err := configure(string(before), commands())
	if err != nil || after == string(before) {
		return err
	}
	return os.WriteFile(path, []byte(after), 0o666)
}

// commands are those of paragonctl in an empty environment.
func commands() *cobra.Command {
	return cli.New(&command.Env{Streams: &terminal.Streams{}, Getenv: func(string) string { return "" }, Now: func() time.Time { return time.Time{} }})
}

// render makes all pages, by their path under docs. They are the same on every
// machine: nothing is read of the environment, and no page has a date.
func render() (map[string][]byte, error) {
	root := commands()
	root.DisableAutoGenTag = true
	pages := map[string][]byte{}
	return pages, walk(root, func(cmd *cobra.Command) error {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "_")
		var page bytes.Buffer
		if err := doc.GenMarkdown(cmd, &page); err != nil {
			return err
		}
		pages["cli/"+name+".md"] = tidy(page.Bytes())
		var manual bytes.Buffer
		date := time.Time{}
		if err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Source: "Paragon", Manual: "Paragon", Date: &date}, &manual); err != nil {
			return err
		}
		pages["man/"+strings.ReplaceAll(name, "_", "-")+".1"] = tidy(bytes.Replace(manual.Bytes(), []byte(`"Jan 0001"`), []byte(`""`), 1))
		return nil
	})
}

func walk(cmd *cobra.Command, do func(*cobra.Command) error) error {
	if err := do(cmd); err != nil {
		return fmt.Errorf("%s: %w", cmd.CommandPath(), err)
	}
	for _, child := range cmd.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := walk(child, do); err != nil {
			return err
		}
	}
	return nil
}

// tidy takes away the spaces at the ends of lines, and empty lines at the end.
func tidy(page []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(page) {
		out.Write(bytes.TrimRight(line, " \t\n"))
		out.WriteByte('\n')
	}
	return append(bytes.TrimRight(out.Bytes(), "\n"), '\n')
}
