package payload_test

import (
	"testing"

	"paragon/engine/servicetest"
)

func TestMain(m *testing.M) { servicetest.Main(m) }
