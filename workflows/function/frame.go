package function

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxFrame bounds what travels to and from a worker process, in bytes.
const maxFrame = 128 << 20

var errFrame = errors.New("malformed frame")

// A frame is a length of four bytes and so many bytes. Inside, texts are
// written in the same way. Both ends are the same binary, so there is no version.

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func cutText(b []byte) (s, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errFrame
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, errFrame
	}
	return b[4 : 4+n], b[4+n:], nil
}

// finishFrame writes the length into the four bytes that a frame was begun with.
func finishFrame(b []byte) ([]byte, error) {
	if len(b)-4 > maxFrame || len(b) > math.MaxInt32 {
		return nil, fmt.Errorf("more than %d bytes", maxFrame)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxFrame {
		return nil, errFrame
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return b, nil
}

// encodeTask writes a call as a frame.
func encodeTask(t task) ([]byte, error) {
	b := make([]byte, 4, 64+len(t.seed)+len(t.bytecode)+len(t.input)+len(t.steps)+len(t.settings))
	b = binary.LittleEndian.AppendUint64(b, uint64(t.timeout))
	b = binary.LittleEndian.AppendUint64(b, t.memory)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.now))
	b = appendText(b, t.seed)
	for _, part := range [][]byte{t.bytecode, t.input, t.steps, t.settings} {
		b = appendText(b, part)
	}
	return finishFrame(b)
}

func decodeTask(b []byte) (t task, err error) {
	if len(b) < 24 {
		return t, errFrame
	}
	t.timeout = time.Duration(binary.LittleEndian.Uint64(b))
	t.memory = binary.LittleEndian.Uint64(b[8:])
	t.now = int64(binary.LittleEndian.Uint64(b[16:]))
	var seed []byte
	b = b[24:]
	for _, to := range []*[]byte{&seed, &t.bytecode, &t.input, &t.steps, &t.settings} {
		if *to, b, err = cutText(b); err != nil {
			return t, err
		}
	}
	t.seed = string(seed)
	return t, nil
}

// encodeAnswer writes the outcome of a call as a frame.
func encodeAnswer(value string, meta []byte) ([]byte, error) {
	b := make([]byte, 4, 16+len(value)+len(meta))
	return finishFrame(appendText(appendText(b, value), meta))
}

func decodeAnswer(b []byte) (value, meta []byte, err error) {
	if value, b, err = cutText(b); err != nil {
		return nil, nil, err
	}
	meta, _, err = cutText(b)
	return value, meta, err
}
