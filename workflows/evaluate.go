package workflows

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

const (
	// maxText bounds a text that an expression makes, in bytes.
	maxText = 16 << 20
	// memoryBudget bounds the elements that one evaluation makes or walks over;
	// it bounds the time, too.
	memoryBudget = 2_000_000
	// workBudget bounds the bytes that the functions of one evaluation read
	// and write.
	workBudget = 64 << 20
	// maxResult bounds the nodes of a result.
	maxResult = 1_000_000
)

var (
	errTooLarge = errors.New("the value is too large")
	errTooMuch  = errors.New("the expression does too much work")
)

// A call is the state of one evaluation, which the functions share.
type call struct {
	now   time.Time
	seed  string
	field string
	count int
	spent int
}

// charge counts work in bytes and fails when there was too much.
func (c *call) charge(n int) error {
	c.spent += n + 64
	if n < 0 || c.spent > workBudget {
		return errTooMuch
	}
	return nil
}

// An evaluator holds what an evaluation needs, to be used again.
type evaluator struct {
	vm   vm.VM
	env  map[string]any
	call call
}

var evaluators = sync.Pool{New: func() any {
	return &evaluator{vm: vm.VM{MemoryBudget: memoryBudget}, env: make(map[string]any, 8)}
}}

// eval computes the expression in a scope.
func (x *expression) eval(s *Scope) (result any, err error) {
	if x.program == nil {
		return nil, x.failure(errNotCompiled)
	}
	e := evaluators.Get().(*evaluator)
	defer func() {
		if r := recover(); r != nil {
			// The machine recovers its own panics; this one is a fault in a
			// function. Its state is not used again.
			result, err = nil, x.failure(fmt.Errorf("the expression can't be evaluated: %v", r))
		}
	}()
	for _, name := range x.roots {
		e.env[name] = e.root(name, s, x)
	}
	out, err := e.vm.Run(x.program, e.env)
	clear(e.env)
	if err != nil {
		e.call = call{}
		evaluators.Put(e)
		return nil, x.failure(runError(err))
	}
	if !x.plain {
		if out, err = toPlain(out); err != nil {
			err = x.failure(err)
		}
	}
	e.call = call{}
	// A large stack or large variables are not worth keeping.
	if cap(e.vm.Stack) <= 256 {
		clear(e.vm.Stack[:cap(e.vm.Stack)])
		clear(e.vm.Variables)
		evaluators.Put(e)
	}
	return out, err
}

// root is the value of a name of the scope.
func (e *evaluator) root(name string, s *Scope, x *expression) any {
	if s == nil {
		s = &Scope{}
	}
	if name != callName {
		if v, ok := s.Vars[name]; ok {
			return v
		}
	}
	switch name {
	case callName:
		e.call = call{now: s.Now, seed: s.Seed, field: x.field}
		return &e.call
	case "input":
		return s.Input
	case "trigger":
		if s.Trigger == nil && s.Origin != nil {
			return s.Origin.Trigger()
		}
		return s.Trigger
	case "event":
		return s.Event
	case "steps":
		return s.Steps
	case "secrets":
		return s.Secrets
	case "run":
		if s.Run == nil && s.Origin != nil {
			return s.Origin.Run()
		}
		return s.Run
	case "workflow":
		if s.Workflow == nil && s.Origin != nil {
			return s.Origin.Workflow()
		}
		return s.Workflow
	case "settings":
		return s.Settings
	case "user":
		return s.User
	}
	return nil
}

// failure is the EvalError of this expression.
func (x *expression) failure(err error) error {
	var already *EvalError
	if errors.As(err, &already) {
		return err
	}
	return &EvalError{Expr: x.source, At: x.at, Err: err}
}

// runError is the reason inside an error of the machine.
func runError(err error) error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return errors.New(humanize(err.Error()))
	}
	if fe.Prev != nil && (errors.Is(fe.Prev, errTooLarge) || errors.Is(fe.Prev, errTooMuch)) {
		return fe.Prev
	}
	return errors.New(humanize(fe.Message))
}
