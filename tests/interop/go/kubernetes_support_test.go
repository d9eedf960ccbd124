package interop

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.uber.org/zap"
)

// store uses a server as the storage of a Kubernetes API server does (its
// package k8s.io/apiserver/pkg/storage/etcd3): the same requests in the same
// order, on values that need no decoding.
type store struct {
	*space
	objects kubernetes.Interface
}

func newStore(t *testing.T) *store {
	t.Helper()
	client, err := kubernetes.New(clientv3.Config{
		Endpoints:   []string{endpoint(t)},
		DialTimeout: patience,
		Logger:      zap.NewNop(),
	})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s := newSpace(t)
	// Watches are opened on streams that end when there is no leader.
	s.ctx = clientv3.WithRequireLeader(s.ctx)
	return &store{space: s, objects: client.Kubernetes}
}

// create writes an object that must not be there yet, and returns its revision.
func (s *store) create(name, value string) int64 {
	s.t.Helper()
	reply, err := s.objects.OptimisticPut(s.ctx, s.key(name), []byte(value), 0, kubernetes.PutOptions{})
	must(s.t, err)
	if !reply.Succeeded {
		s.t.Fatalf("%s is there already", name)
	}
	return reply.Revision
}

// update is GuaranteedUpdate: it reads the object, and writes what change
// makes of it unless somebody else was faster. The reply then says what that
// one wrote, and it tries again. It returns the revision of its own write.
func (s *store) update(name string, change func(string) string) (int64, error) {
	current, err := s.objects.Get(s.ctx, s.key(name), kubernetes.GetOptions{})
	if err != nil {
		return 0, err
	}
	kv := current.KV
	for {
		if kv == nil {
			return 0, errNotFound
		}
		reply, err := s.objects.OptimisticPut(s.ctx, s.key(name), []byte(change(string(kv.Value))),
			kv.ModRevision, kubernetes.PutOptions{GetOnFailure: true})
		if err != nil {
			return 0, err
		}
		if reply.Succeeded {
			return reply.Revision, nil
		}
		if reply.KV != nil && reply.KV.ModRevision <= kv.ModRevision {
			return 0, fmt.Errorf("lost to %v, which is not newer than %v", reply.KV, kv)
		}
		kv = reply.KV
	}
}

var errNotFound = fmt.Errorf("the object is not there")

// increment is a change of a number by one.
func increment(value string) string {
	n, _ := strconv.Atoi(value)
	return strconv.Itoa(n + 1)
}

// list reads a page of all objects, or all of them if limit is 0.
func (s *store) list(options kubernetes.ListOptions) kubernetes.ListResponse {
	s.t.Helper()
	reply, err := s.objects.List(s.ctx, s.prefix, options)
	must(s.t, err)
	return reply
}

// state is what a cache holds of objects: "name=value@revision" for each.
func (s *store) state(kvs []*mvccpb.KeyValue) string {
	words := make([]string, len(kvs))
	for i, kv := range kvs {
		words[i] = fmt.Sprintf("%s=%s@%d", strings.TrimPrefix(string(kv.Key), s.prefix), kv.Value, kv.ModRevision)
	}
	return strings.Join(words, " ")
}

// churn creates, updates and deletes objects, from a few clients at once,
// until the test calls the function that it returns, or ends.
func (s *store) churn() (stop func()) {
	const writers, names = 3, 20
	// A write that is under way is waited for: cancelled, it could still be applied later.
	var stopped atomic.Bool
	var group sync.WaitGroup
	for writer := range writers {
		client := connect(s.t)
		group.Go(func() {
			for i := writer; !stopped.Load() && s.ctx.Err() == nil; i++ {
				key := s.key(fmt.Sprintf("churn%02d", i*7%names))
				if i%5 == 0 {
					_, _ = client.Delete(s.ctx, key)
				} else {
					_, _ = client.Put(s.ctx, key, strconv.Itoa(i))
				}
			}
		})
	}
	stop = func() {
		stopped.Store(true)
		group.Wait()
	}
	s.t.Cleanup(stop)
	return stop
}
