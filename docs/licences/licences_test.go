package main

import (
	"os"
	"path/filepath"
	"testing"
)

// docs/licences.md has every module that is linked now.
func TestThePageIsCurrent(t *testing.T) {
	want, err := os.ReadFile("../licences.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "licences.md")
	if err := run(file); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("docs/licences.md is not what is linked now: run make generate")
	}
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                                     "Apache-2.0",
		"Permission is hereby granted, free\nof charge, to any person":                                     "MIT",
		"Redistribution and use in source and\nbinary forms ... Neither the name of Google Inc.":           "BSD-3-Clause",
		"Redistribution and use in source and binary forms, with or without modification":                  "BSD-2-Clause",
		"Mozilla Public License Version 2.0":                                                               "MPL-2.0",
		"Permission to use, copy, modify, and/or distribute this software for any purpose with or without": "ISC",
		"GNU GENERAL PUBLIC LICENSE Version 3":                                                             "",
	} {
		if got := classify(text); got != want {
			t.Errorf("%.40q is %q; want %q", text, got, want)
		}
	}
}

// A module without a licence, or with one that nobody has read, is refused.
func TestNoLicence(t *testing.T) {
	dir := t.TempDir()
	if name, err := licenceOf(dir); err == nil {
		t.Errorf("an empty folder is under %q", name)
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, err := licenceOf(dir); err == nil {
		t.Errorf("what reserves all rights is under %q", name)
	}
}
