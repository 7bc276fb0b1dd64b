package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// MarshalYAML writes a value as one YAML document, by way of its JSON form:
// field names and order are those of encoding/json, and text that YAML could
// take for something else is quoted.
func MarshalYAML(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode as JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	node, err := yamlOfJSON(dec)
	if err != nil {
		return nil, fmt.Errorf("read the JSON form: %w", err)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return nil, fmt.Errorf("encode as YAML: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("encode as YAML: %w", err)
	}
	return out.Bytes(), nil
}

// yamlOfJSON reads the next JSON value as a YAML node, keys in their order.
func yamlOfJSON(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return yamlMapping(dec)
		}
		return yamlSequence(dec)
	case json.Number:
		return yamlNumber(t)
	case nil, bool, string:
		var node yaml.Node
		if err := node.Encode(t); err != nil {
			return nil, err
		}
		// A block of text that begins or ends with space does not survive
		// the encoder; in quotes it does.
		if text, ok := t.(string); ok && strings.Contains(text, "\n") && !plainBlock(text) {
			node.Value, node.Style = text, yaml.DoubleQuotedStyle
		}
		return &node, nil
	}
	return nil, io.ErrUnexpectedEOF
}

// plainBlock tells whether a text of several lines can be a literal block.
func plainBlock(text string) bool {
	body := strings.TrimSuffix(text, "\n")
	if body == "" || strings.TrimSpace(body) != body {
		return false
	}
	return strings.IndexFunc(body, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) < 0
}

func yamlMapping(dec *json.Decoder) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for dec.More() {
		key, err := yamlOfJSON(dec)
		if err != nil {
			return nil, err
		}
		value, err := yamlOfJSON(dec)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, key, value)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	_, err := dec.Token() // the closing brace
	return node, err
}

func yamlSequence(dec *json.Decoder) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for dec.More() {
		item, err := yamlOfJSON(dec)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, item)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	_, err := dec.Token() // the closing bracket
	return node, err
}

// yamlNumber keeps the digits of a number, so that nothing is rounded.
func yamlNumber(n json.Number) (*yaml.Node, error) {
	tag := "!!int"
	if _, err := n.Int64(); err != nil {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: n.String()}, nil
}
