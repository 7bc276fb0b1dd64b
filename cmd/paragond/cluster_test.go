package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/servicetest"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/schema/api/contexts"
)

// Runs go through a Redis Cluster of three, and through a Redis that Sentinel
// names, by TLS on every connection, that between the servers included.
func TestClusterAndSentinel(t *testing.T) {
	certificate := servicetest.NewCertificate(t)
	files := "?ca=" + certificate.CA + "&cert=" + certificate.Cert + "&key=" + certificate.Key
	t.Setenv("PARAGON_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	t.Run("cluster", func(t *testing.T) {
		runThrough(t, "rediss+cluster://"+startRedisCluster(t, certificate)+files)
	})
	t.Run("sentinel", func(t *testing.T) {
		runThrough(t, "rediss+sentinel://"+startSentinel(t, certificate)+"/0"+files+"&master=main")
	})
}

// runThrough starts an installation on a Redis, and runs a workflow that waits,
// loops and calls another one, so that all of the queue's ways are gone.
func runThrough(t *testing.T, redisURL string) {
	t.Helper()
	sql := servicetest.Postgres(t)
	config := filepath.Join(t.TempDir(), "config.json")
	t.Setenv("PARAGON_CONFIG", config)
	for _, args := range [][]string{
		{"migrate", "--postgres", sql},
		{"bootstrap", "--postgres", sql, "--redis", redisURL, "--write-context", "test"},
	} {
		if out, code := runCommand(t, t.Context(), args...); code != 0 {
			t.Fatalf("%s: exit %d, %s", args[0], code, out)
		}
	}
	file, err := contexts.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	client := api.New("http://"+startServe(t, "--postgres", sql, "--redis", redisURL), file.Contexts["test"].Token)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const documents = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: outer}
spec:
  steps:
    - {id: rest, delay: {for: 50ms}}
    - id: each
      forEach: {items: "${{ input.items }}", as: item, parallelism: 3}
      steps: [{id: inner, call: {workflow: inner, input: {n: "${{ item }}"}, wait: true}}]
    - {id: reply, respond: {body: {got: "${{ steps.each }}"}}}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: inner}
spec:
  input: {type: object}
  steps: [{id: double, set: {n: "${{ input.n * 2 }}"}}]
  output: {n: "${{ steps.double.n }}"}
`
	if _, err := client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "test.yaml", Content: documents}}}, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 8 { // the lanes are in all parts of the cluster
		run, err := client.Trigger(ctx, "outer", api.TriggerRequest{Input: json.RawMessage(`{"items": [1, 2, 3]}`)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if run, err = client.WaitRun(ctx, run.ID); err != nil || run.Status != schema.RunSucceeded {
			t.Fatalf("the run: %+v, %v", run, err)
		}
		var got, want any
		if err := json.Unmarshal(run.Output, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(`{"got": [{"n": 2}, {"n": 4}, {"n": 6}]}`), &want); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("output %s, %v", run.Output, err)
		}
	}
}

// startRedisCluster is a cluster of three primaries that speak TLS with each
// other, too: their addresses, with commas.
func startRedisCluster(t *testing.T, certificate *servicetest.Certificate) string {
	t.Helper()
	const nodes, slots = 3, 16384
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var addresses []string
	var clients []*redis.Client
	for i := range nodes {
		bus := freePort(t)
		node := servicetest.StartRedis(t, servicetest.RedisOptions{TLS: certificate, Args: []string{
			"--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000",
		}})
		client := redis.NewClient(&redis.Options{Addr: node.Addr})
		t.Cleanup(func() { client.Close() })
		for _, err := range []error{
			client.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", i*slots/nodes, (i+1)*slots/nodes-1).Err(),
			client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if i > 0 {
			host, port, _ := net.SplitHostPort(node.TLSAddr)
			if err := clients[0].Do(ctx, "CLUSTER", "MEET", host, port, bus).Err(); err != nil {
				t.Fatal(err)
			}
		}
		addresses, clients = append(addresses, node.TLSAddr), append(clients, client)
	}
	for _, client := range clients {
		await(t, ctx, "the cluster to be whole", func() string {
			info, err := client.ClusterInfo(ctx).Result()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") && strings.Contains(info, "cluster_size:3") {
				return ""
			}
			return fmt.Sprint(info, err)
		})
	}
	return strings.Join(addresses, ",")
}

// startSentinel is the address of a Sentinel that knows of a Redis as "main"; both
// speak nothing but TLS with clients and each other.
func startSentinel(t *testing.T, certificate *servicetest.Certificate) string {
	t.Helper()
	node := servicetest.StartRedis(t, servicetest.RedisOptions{TLS: certificate})
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(node.TLSAddr)
	own := freePort(t)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport 0\ntls-port %d\ntls-replication yes\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\nsentinel monitor main %s %s 1\n",
		own, certificate.Cert, certificate.Key, certificate.CA, host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(server, file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(own))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	await(t, ctx, "Sentinel to listen", func() string {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err.Error()
		}
		conn.Close()
		return ""
	})
	return address
}

// await asks until there is nothing left to wait for: another process tells
// nobody when it is ready.
func await(t *testing.T, ctx context.Context, what string, left func() string) {
	t.Helper()
	for {
		why := left()
		if why == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s: %s", what, why)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
