// Package interop drives a server with etcd's own Go client.
//
// The tests say what etcd answers, so they hold for any server that speaks its
// API: ETCD_ENDPOINT names the one under test. They assume that nobody else
// writes to it meanwhile, and each keeps to keys of its own.
package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const patience = 20 * time.Second

func endpoint(t *testing.T) string {
	t.Helper()
	value := os.Getenv("ETCD_ENDPOINT")
	if value == "" {
		t.Skip("ETCD_ENDPOINT is not set")
	}
	return value
}

func connect(t *testing.T, adjust ...func(*clientv3.Config)) *clientv3.Client {
	t.Helper()
	config := clientv3.Config{
		Endpoints:   []string{endpoint(t)},
		DialTimeout: patience,
		Logger:      zap.NewNop(),
		TLS:         certificates(t),
	}
	for _, change := range adjust {
		change(&config)
	}
	client, err := clientv3.New(config)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// certificates is what the server is reached with over TLS: files that the environment names.
func certificates(t *testing.T) *tls.Config {
	t.Helper()
	info := transport.TLSInfo{
		TrustedCAFile: os.Getenv("ETCD_CACERT"),
		CertFile:      os.Getenv("ETCD_CERT"),
		KeyFile:       os.Getenv("ETCD_KEY"),
	}
	if info.Empty() {
		return nil
	}
	config, err := info.ClientConfig()
	must(t, err)
	return config
}

// space is a test's own corner of the key space, empty when it begins.
type space struct {
	*clientv3.Client
	t      *testing.T
	ctx    context.Context
	prefix string
}

func newSpace(t *testing.T) *space {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	s := &space{Client: connect(t), t: t, ctx: ctx, prefix: "/" + t.Name() + "/"}
	_, err := s.Client.Delete(ctx, s.prefix, clientv3.WithPrefix())
	must(t, err)
	return s
}

func (s *space) key(name string) string { return s.prefix + name }

func (s *space) put(name, value string, options ...clientv3.OpOption) *clientv3.PutResponse {
	s.t.Helper()
	reply, err := s.Put(s.ctx, s.key(name), value, options...)
	must(s.t, err)
	return reply
}

func (s *space) get(name string, options ...clientv3.OpOption) *clientv3.GetResponse {
	s.t.Helper()
	reply, err := s.Get(s.ctx, s.key(name), options...)
	must(s.t, err)
	return reply
}

func (s *space) delete(name string, options ...clientv3.OpOption) *clientv3.DeleteResponse {
	s.t.Helper()
	reply, err := s.Client.Delete(s.ctx, s.key(name), options...)
	must(s.t, err)
	return reply
}

func (s *space) commit(txn clientv3.Txn) *clientv3.TxnResponse {
	s.t.Helper()
	reply, err := txn.Commit()
	must(s.t, err)
	return reply
}

// abc writes a=1, b=2, c=3 and a=9, and returns the revision before them: with
// it r, a was created at r+1 and last changed at r+4, b at r+2 and c at r+3.
func (s *space) abc() int64 {
	s.t.Helper()
	first := s.put("a", "1").Header.Revision
	s.put("b", "2")
	s.put("c", "3")
	s.put("a", "9")
	return first - 1
}

// show writes key-values as "a=9 b=2", without the test's prefix.
func (s *space) show(kvs []*mvccpb.KeyValue) string {
	words := make([]string, 0, len(kvs))
	for _, kv := range kvs {
		words = append(words, fmt.Sprintf("%s=%s", strings.TrimPrefix(string(kv.Key), s.prefix), kv.Value))
	}
	return strings.Join(words, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
