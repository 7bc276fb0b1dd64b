package execution

import (
	_ "embed"

	"github.com/redis/go-redis/v9"

	"paragon/engine/notice"
)

// The scripts are the only writers of runs in Redis. Each touches keys of one
// lane, so of one slot, and says at its head what it takes and returns.
var (
	//go:embed scripts/ready.lua
	readySource string
	//go:embed scripts/limits.lua
	limitsSource string
	//go:embed scripts/accept.lua
	acceptSource string
	//go:embed scripts/claim.lua
	claimSource string
	//go:embed scripts/commit.lua
	commitSource string
	//go:embed scripts/signal.lua
	signalSource string
	//go:embed scripts/wake.lua
	wakeSource string
	//go:embed scripts/reap.lua
	reapSource string
	//go:embed scripts/stranded.lua
	strandedSource string
	//go:embed scripts/look.lua
	lookSource string
	//go:embed scripts/holdback.lua
	holdBackSource string
	//go:embed scripts/letgo.lua
	letGoSource string
	//go:embed scripts/publish.lua
	publishSource string
	//go:embed scripts/listen.lua
	listenSource string
)

var (
	acceptScript   = redis.NewScript(readySource + limitsSource + acceptSource)
	claimScript    = redis.NewScript(claimSource)
	commitScript   = redis.NewScript(readySource + limitsSource + notice.Lua + commitSource)
	signalScript   = redis.NewScript(readySource + signalSource)
	wakeScript     = redis.NewScript(readySource + limitsSource + wakeSource)
	reapScript     = redis.NewScript(readySource + reapSource)
	strandedScript = redis.NewScript(strandedSource)
	lookScript     = redis.NewScript(lookSource)
	holdBackScript = redis.NewScript(holdBackSource)
	letGoScript    = redis.NewScript(readySource + letGoSource)
	publishScript  = redis.NewScript(publishSource)
	listenScript   = redis.NewScript(listenSource)
)
