package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A structType is a struct of the schema as its source has it.
type structType struct {
	name, doc string
	fields    []field
}

// A field is one key of the YAML.
type field struct {
	goName, name, doc string
	goType            ast.Expr
	required          bool
	enum              []string
	min, max          string
}

// readStructs reads the structs of the package in a folder, by name.
func readStructs(dir string) (map[string]*structType, error) {
	set := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	out := map[string]*structType{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				t, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				s, ok := t.Type.(*ast.StructType)
				if !ok {
					continue
				}
				doc := t.Doc.Text()
				if doc == "" {
					doc = general.Doc.Text()
				}
				out[t.Name.Name] = readStruct(set, t.Name.Name, doc, s)
			}
		}
	}
	return out, nil
}

func readStruct(set *token.FileSet, name, doc string, s *ast.StructType) *structType {
	out := &structType{name: name}
	lastDoc, lastLine := "", 0
	for _, f := range s.Fields.List {
		if f.Tag == nil || len(f.Names) != 1 {
			continue
		}
		raw, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			continue
		}
		tag := reflect.StructTag(raw)
		key, options, _ := strings.Cut(tag.Get("json"), ",")
		if key == "" || key == "-" {
			continue
		}
		text := f.Doc.Text()
		line := set.Position(f.Pos()).Line
		if text == "" && line == lastLine+1 {
			text = lastDoc // one comment for a group of fields
		}
		lastDoc, lastLine = text, line
		out.fields = append(out.fields, field{
			goName: f.Names[0].Name, name: key, doc: text, goType: f.Type,
			required: !strings.Contains(options, "omit"),
			enum:     list(tag.Get("enum")), min: tag.Get("min"), max: tag.Get("max"),
		})
	}
	out.doc = sentence(out.clean(strings.TrimPrefix(doc, name+" ")))
	for i := range out.fields {
		out.fields[i].doc = out.clean(out.fields[i].doc)
	}
	return out
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// sentence makes "is the spec of a Workflow." one without its subject.
func sentence(doc string) string {
	doc = strings.TrimPrefix(doc, "is ")
	r, size := utf8.DecodeRuneInString(doc)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + doc[size:]
}

var space = regexp.MustCompile(`\s+`)

// clean makes a comment one line that names the keys as YAML has them.
func (s *structType) clean(doc string) string {
	doc = strings.TrimSpace(space.ReplaceAllString(doc, " "))
	for _, f := range s.fields {
		if f.goName != f.name {
			doc = regexp.MustCompile(`\b`+f.goName+`\b`).ReplaceAllString(doc, f.name)
		}
	}
	return doc
}
