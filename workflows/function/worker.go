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

// The worker's ends of its pipes. Nothing comes through the third: its end is the
// end of whoever started the worker.
const (
	workerIn   = 3
	workerOut  = 4
	workerLife = 5
)

// A worker process is the binary itself, so that there is nothing to install and
// nothing to get out of step: whoever imports this package (the daemon, the
// command line, a test) can be one. It turns into one here, before main.
func init() {
	if os.Getenv(workerEnv) != "1" {
		return
	}
	os.Exit(serve(os.NewFile(workerIn, "in"), os.NewFile(workerOut, "out"), os.NewFile(workerLife, "life")))
}

// spare is how many engines are made before their calls come.
const spare = 3

// serve answers calls, one after the other, until in ends. It reads them itself:
// between a call's coming and its answer no other thread has to be woken.
func serve(in io.Reader, out io.Writer, life io.Reader) int {
	// The second thread makes engines and frees them, and ends the process when
	// the other side is gone, whatever the engine is doing.
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(200)
	debug.SetMemoryLimit(256 << 20)
	confine()
	prelude, err := compilePrelude()
	if err != nil {
		return fail(err)
	}
	made, used := make(chan *machine, spare), make(chan *machine, 1)
	for range spare {
		m, err := newMachine(prelude)
		if err != nil {
			return fail(err)
		}
		made <- m
	}
	go supply(prelude, made, used)
	go func() {
		_, _ = life.Read(make([]byte, 1))
		os.Exit(0)
	}()
	if _, err := out.Write([]byte{0, 0, 0, 0}); err != nil { // an empty frame: ready
		return 0
	}
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		frame, err := readFrame(r)
		if err != nil {
			return 0
		}
		t, err := decodeTask(frame)
		if err != nil {
			return fail(err)
		}
		m := <-made
		value, rest := m.run(t)
		if frame, err = answer(value, rest); err != nil {
			return fail(err)
		}
		if _, err := out.Write(frame); err != nil {
			return 0
		}
		used <- m
	}
}

// supply frees each engine that was used and makes another for it, for as long as the
// process lives. It begins when the answer is out, so as not to take a CPU from it.
func supply(prelude []byte, made chan<- *machine, used <-chan *machine) {
	debug.SetPanicOnFault(true) // see run
	for m := range used {
		m.close()
		m, err := newMachine(prelude)
		if err != nil {
			os.Exit(fail(err))
		}
		made <- m
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
