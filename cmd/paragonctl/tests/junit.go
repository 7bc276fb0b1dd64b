package tests

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/workflows/trial"
)

// The form of JUnit's XML that GitLab, Jenkins and GitHub's actions read.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	File     string      `xml:"file,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
	took     time.Duration
}

type junitCase struct {
	Name      string         `xml:"name,attr"`
	ClassName string         `xml:"classname,attr"`
	File      string         `xml:"file,attr"`
	Line      int            `xml:"line,attr"`
	Time      string         `xml:"time,attr"`
	Failures  []junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(path string, report *Report) error {
	text, err := junit(report)
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}

func junit(report *Report) ([]byte, error) {
	out := junitSuites{Tests: len(report.Results), Failures: report.Failed, Time: seconds(time.Duration(report.Took))}
	for _, r := range report.Results {
		n := len(out.Suites) - 1
		if n < 0 || out.Suites[n].Name != r.Test || out.Suites[n].File != r.File {
			out.Suites = append(out.Suites, junitSuite{Name: r.Test, File: r.File})
			n++
		}
		s := &out.Suites[n]
		s.took += time.Duration(r.Took)
		s.Tests++
		s.Time = seconds(s.took)
		if !r.Passed {
			s.Failures++
		}
		s.Cases = append(s.Cases, junitOf(r))
	}
	text, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

func junitOf(r *trial.Result) junitCase {
	c := junitCase{Name: r.Case, ClassName: r.Test, File: r.File, Line: r.Line, Time: seconds(time.Duration(r.Took))}
	if c.Name == "" {
		c.Name = r.Test
	}
	for _, f := range r.Failures {
		text := fmt.Sprintf("%s:%d:%d: %s\n", f.File, f.Line, f.Column, f.Message)
		if f.Suggestion != "" {
			text += f.Suggestion + "\n"
		}
		if strings.Contains(f.Want+f.Got, "\n") {
			text += difference(terminal.Plain, f)
		}
		c.Failures = append(c.Failures, junitFailure{Message: firstLine(f.Diagnostic), Type: f.Code, Text: text})
	}
	return c
}

func firstLine(d schema.Diagnostic) string {
	line, _, _ := strings.Cut(d.Message, "\n")
	return line
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
