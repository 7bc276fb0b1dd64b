package function

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

// workerEnv marks a process as a worker process.
const workerEnv = "PARAGON_FUNCTION_WORKER"

// The worker's ends of its two pipes.
const (
	workerIn  = 3
	workerOut = 4
)

// A worker process is the binary itself, so that there is nothing to install and
// nothing to get out of step: whoever imports this package (the daemon, the
// command line, a test) can be one. It turns into one here, before main.
func init() {
	if os.Getenv(workerEnv) != "1" {
		return
	}
	os.Exit(serve(os.NewFile(workerIn, "in"), os.NewFile(workerOut, "out")))
}

// serve answers calls, one after the other, until in ends. An engine is always
// made before its call comes.
func serve(in io.Reader, out io.Writer) int {
	// The second thread is for the one that reads: it ends the process when the
	// other side is gone, whatever the engine is doing.
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(200)
	debug.SetMemoryLimit(256 << 20)
	confine()
	prelude, err := compilePrelude()
	if err != nil {
		return fail(err)
	}
	tasks := make(chan task)
	go read(in, tasks)
	m, err := newMachine(prelude)
	if err != nil {
		return fail(err)
	}
	if _, err := out.Write([]byte{0, 0, 0, 0}); err != nil { // an empty frame: ready
		return 0
	}
	for t := range tasks {
		value, rest := m.run(t)
		frame, err := answer(value, rest)
		if err != nil {
			return fail(err)
		}
		if _, err := out.Write(frame); err != nil {
			return 0
		}
		m.close()
		if m, err = newMachine(prelude); err != nil {
			return fail(err)
		}
	}
	return 0
}

// read takes the calls. It never returns: the end of the pipe is the end of the
// process.
func read(in io.Reader, tasks chan<- task) {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		frame, err := readFrame(r)
		if err != nil {
			os.Exit(0)
		}
		t, err := decodeTask(frame)
		if err != nil {
			os.Exit(fail(err))
		}
		tasks <- t
	}
}

func answer(value string, rest meta) ([]byte, error) {
	var encoded []byte
	if rest.Kind != "" || rest.Pending || rest.Result != nil || rest.Error != nil || len(rest.Log) > 0 {
		var err error
		if encoded, err = json.Marshal(rest); err != nil {
			return nil, err
		}
	}
	frame, err := encodeAnswer(value, encoded)
	if err != nil {
		encoded, _ = json.Marshal(meta{Kind: KindResult, Message: "the result is too large: " + err.Error()})
		return encodeAnswer("", encoded)
	}
	return frame, nil
}

func fail(err error) int {
	os.Stderr.WriteString("function worker: " + err.Error() + "\n")
	return 1
}
