package resource

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/schema"
)

// parseKind reads a kind as people write it: "workflow", "workflows",
// "Workflow" or "wf".
func parseKind(word string) (schema.Kind, error) {
	var known []string
	for _, kind := range schema.Kinds {
		switch strings.ToLower(word) {
		case kind.Singular(), kind.Path():
			return kind, nil
		}
		known = append(known, kind.Path())
	}
	if strings.EqualFold(word, "wf") {
		return schema.KindWorkflow, nil
	}
	err := &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("%q is not a kind of resource; those are %s", word, strings.Join(known, ", "))}
	switch strings.ToLower(word) {
	case "run", "runs":
		err.Try = "`paragonctl runs list`, `paragonctl runs get RUN`"
	case "key", "keys":
		err.Try = "`paragonctl key list`"
	}
	return "", err
}

// parseRefs reads "KIND NAME..." or "KIND/NAME...".
func parseRefs(args []string) (refs []schema.Ref, err error) {
	if kind, _, slash := strings.Cut(args[0], "/"); !slash {
		k, err := parseKind(kind)
		if err != nil {
			return nil, err
		}
		for _, name := range args[1:] {
			if strings.Contains(name, "/") {
				return nil, command.Usage("%q: write either KIND NAME or KIND/NAME", strings.Join(args, " "))
			}
			refs = append(refs, schema.Ref{Kind: k, Name: name})
		}
		if len(refs) == 0 {
			return nil, command.Usage("the name of the %s is missing", k.Singular())
		}
		return refs, nil
	}
	for _, arg := range args {
		kind, name, ok := strings.Cut(arg, "/")
		if !ok || name == "" {
			return nil, command.Usage("%q is not KIND/NAME", arg)
		}
		k, err := parseKind(kind)
		if err != nil {
			return nil, err
		}
		refs = append(refs, schema.Ref{Kind: k, Name: name})
	}
	return refs, nil
}

// parseRef reads exactly one reference.
func parseRef(args []string) (schema.Ref, error) {
	refs, err := parseRefs(args)
	if err != nil {
		return schema.Ref{}, err
	}
	if len(refs) != 1 {
		return schema.Ref{}, command.Usage("one resource is meant, but %d are named", len(refs))
	}
	return refs[0], nil
}

// completeRef completes a kind, then names of the kind.
func completeRef(env *command.Env) func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if word, _, slash := strings.Cut(typed, "/"); slash {
			kind, err := parseKind(word)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			names := complete.Names(cmd.Context(), env, kind)
			for i := range names {
				names[i] = word + "/" + names[i]
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		}
		if len(args) == 0 {
			var kinds []cobra.Completion
			for _, kind := range schema.Kinds {
				kinds = append(kinds, kind.Singular())
			}
			return kinds, cobra.ShellCompDirectiveNoFileComp
		}
		kind, err := parseKind(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete.Names(cmd.Context(), env, kind), cobra.ShellCompDirectiveNoFileComp
	}
}

// hint says what to do about a resource that is not there.
func hint(ref schema.Ref, err error) error {
	if command.ExitCode(err) == command.ExitNotFound {
		return command.WithTry(err, "`paragonctl get "+ref.Kind.Path()+"` lists them")
	}
	return err
}
