package function

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"crypto/sha256"

	"modernc.org/quickjs"
)

//go:embed prelude.js
var preludeSource string

// preludeLine is where the prelude's lines begin, so that a stack trace tells
// them from the function's. It is more than MaxSource has.
const preludeLine = 1_000_000

// machine is one engine with the prelude run in it: good for one call.
type machine struct {
	vm                 *quickjs.VM
	start, value, meta quickjs.Value
}

// compilePrelude makes the prelude's bytecode.
func compilePrelude() ([]byte, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, err
	}
	defer vm.Close()
	return vm.Compile(strings.Repeat("\n", preludeLine)+preludeSource, quickjs.EvalGlobal)
}

// newMachine makes an engine.
func newMachine(prelude []byte) (*machine, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, err
	}
	m := &machine{vm: vm}
	if err := vm.RegisterHostFunc("__host", host); err != nil {
		return nil, errors.Join(err, vm.Close())
	}
	list, err := vm.EvalBytecodeValue(prelude)
	if err != nil {
		return nil, errors.Join(err, vm.Close())
	}
	defer list.Free()
	for i, to := range []*quickjs.Value{&m.start, &m.value, &m.meta} {
		atom, err := vm.NewAtom(fmt.Sprint(i))
		if err == nil {
			*to, err = list.GetPropertyValue(atom)
		}
		if err != nil {
			return nil, errors.Join(err, vm.Close())
		}
	}
	return m, nil
}

// close frees the engine and all that the call made.
func (m *machine) close() {
	for _, v := range []*quickjs.Value{&m.start, &m.value, &m.meta} {
		v.Free()
	}
	m.vm.Close()
}

// task is a call as it travels to a worker process.
type task struct {
	timeout                          time.Duration
	memory                           uint64
	now                              int64 // Unix time in milliseconds
	seed                             string
	bytecode, input, steps, settings []byte
}

// meta is what a call left beside its value.
type meta struct {
	Pending bool     `json:"pending,omitempty"`
	Result  *string  `json:"result,omitempty"`
	Error   *thrown  `json:"error,omitempty"`
	Log     []string `json:"log,omitempty"`
	// Kind and Message are set by the worker itself.
	Kind    Kind   `json:"kind,omitempty"`
	Message string `json:"message,omitempty"`
}

type thrown struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Stack   string `json:"stack"`
}

// run performs a call. The value is JSON; the rest says why there is none.
func (m *machine) run(t task) (value string, rest meta) {
	// A fault in the engine's memory becomes a panic, which ends this process
	// with a message instead of a signal.
	debug.SetPanicOnFault(true)
	deadline := time.Now().Add(t.timeout)
	vm := m.vm
	vm.SetMemoryLimit(uintptr(t.memory))
	arm := func() { _ = vm.SetEvalTimeout(max(time.Until(deadline), time.Microsecond)) }

	arm()
	fn, err := vm.EvalBytecodeValue(t.bytecode)
	if err != nil {
		return "", failed(err)
	}
	defer fn.Free()
	seed := sha256.Sum256([]byte(t.seed))
	word := func(i int) int { return int(int32(binary.LittleEndian.Uint32(seed[4*i:]))) }
	arm()
	started, err := m.start.CallValue(quickjs.UndefinedValue, fn, float64(t.now), word(0), word(1), word(2), word(3),
		string(t.input), string(t.steps), string(t.settings))
	if err == nil {
		started.Free()
		err = jobs(vm, arm)
	}
	if time.Now().After(deadline) {
		// An engine that was interrupted may have told a promise so.
		rest = meta{Kind: KindTimeout}
	} else if err != nil {
		rest = failed(err)
	}
	// What there is to read needs a little room and time beyond the limits.
	vm.SetMemoryLimit(uintptr(t.memory) + 8<<20)
	deadline = time.Now().Add(readTime)
	arm()
	if text, err := m.meta.Call(quickjs.UndefinedValue); err == nil {
		var left meta
		if s, _ := text.(string); s != "" && json.Unmarshal([]byte(s), &left) == nil {
			left.Kind, left.Message = rest.Kind, rest.Message
			rest = left
		}
	}
	if rest.Kind != "" || rest.Pending || rest.Error != nil || rest.Result != nil {
		return "", rest
	}
	arm()
	out, err := m.value.Call(quickjs.UndefinedValue)
	if err != nil {
		return "", failed(err)
	}
	value, ok := out.(string)
	if !ok {
		return "", meta{Kind: KindResult, Message: "the function left no result"}
	}
	return value, rest
}

// jobs runs what is behind the function's awaits. The engine hands over after a
// million of them; how many there may be is for the deadline to say.
func jobs(vm *quickjs.VM, arm func()) error {
	for {
		arm()
		_, err := vm.ExecutePendingJobs()
		var e *quickjs.Error
		if err == nil || errors.As(err, &e) {
			return err
		}
	}
}

// readTime bounds reading the outcome of a call.
const readTime = 100 * time.Millisecond

// failed is an error of the engine outside the function's own exceptions.
func failed(err error) meta {
	var e *quickjs.Error
	if !errors.As(err, &e) {
		return meta{Kind: KindWorker, Message: err.Error()}
	}
	switch {
	case isMemory(e.Name, e.Message):
		return meta{Kind: KindMemory}
	case e.Name == "InternalError" && e.Message == "interrupted":
		return meta{Kind: KindTimeout}
	}
	return meta{Error: &thrown{e.Name, e.Message, e.Stack}}
}

// isMemory tells whether an exception is the engine's being out of memory.
// Outside the prelude, null is that, too.
func isMemory(name, message string) bool {
	return name == "InternalError" && message == "out of memory" || name == "" && (message == "" || message == "null")
}
