package interop

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/ordering"
)

func TestNamespace(t *testing.T) {
	s := newSpace(t)
	inside := namespace.NewKV(s.KV, s.prefix)
	must(t, ignore(inside.Put(s.ctx, "a", "1")))
	must(t, ignore(inside.Put(s.ctx, "b", "2")))

	equal(t, "outside", s.show(s.get("", clientv3.WithPrefix()).Kvs), "a=1 b=2")
	whole, err := inside.Get(s.ctx, "", clientv3.WithPrefix())
	must(t, err)
	equal(t, "inside", string(whole.Kvs[1].Key), "b")

	reply, err := inside.Txn(s.ctx).
		If(clientv3.Compare(clientv3.Value("a"), "=", "1")).
		Then(clientv3.OpGet("a", clientv3.WithFromKey()), clientv3.OpDelete("b", clientv3.WithPrevKV())).
		Commit()
	must(t, err)
	equal(t, "range in a txn", len(reply.Responses[0].GetResponseRange().Kvs), 2)
	equal(t, "delete in a txn", string(reply.Responses[1].GetResponseDeleteRange().PrevKvs[0].Key), "b")
}

func TestOrdering(t *testing.T) {
	s := newSpace(t)
	violated := errors.New("a reply older than the one before it")
	ordered := ordering.NewKV(s.KV, func(clientv3.Op, clientv3.OpResponse, int64) error { return violated })

	for i := range 50 {
		want := s.put("k", strconv.Itoa(i)).Header.Revision
		for _, options := range [][]clientv3.OpOption{nil, {clientv3.WithSerializable()}} {
			reply, err := ordered.Get(s.ctx, s.key("k"), options...)
			must(t, err)
			equal(t, "own write", reply.Kvs[0].ModRevision, want)
		}
		txn, err := ordered.Txn(s.ctx).Then(clientv3.OpGet(s.key("k"))).Commit()
		must(t, err)
		equal(t, "revision of a txn", txn.Header.Revision, want)
	}
}

func TestSoftwareTransactions(t *testing.T) {
	const writers = 12
	for name, level := range map[string]concurrency.Isolation{
		"serializable":     concurrency.Serializable,
		"snapshot":         concurrency.SerializableSnapshot,
		"repeatable reads": concurrency.RepeatableReads,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpace(t)
			s.put("n", "0")
			increment := func(stm concurrency.STM) error {
				n, err := strconv.Atoi(stm.Get(s.key("n")))
				stm.Put(s.key("n"), strconv.Itoa(n+1))
				return err
			}
			var group sync.WaitGroup
			for range writers {
				group.Go(func() {
					if _, err := concurrency.NewSTM(s.Client, increment, concurrency.WithIsolation(level)); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			equal(t, "sum", s.show(s.get("n").Kvs), fmt.Sprintf("n=%d", writers))
		})
	}
}

func TestMirrorReadsAPrefixInPages(t *testing.T) {
	const keys = 2500 // the mirror asks for 1,000 at a time
	s := newSpace(t)
	for first := 0; first < keys; first += 100 {
		ops := make([]clientv3.Op, 100)
		for i := range ops {
			ops[i] = clientv3.OpPut(s.key(fmt.Sprintf("%04d", first+i)), "v")
		}
		s.commit(s.Txn(s.ctx).Then(ops...))
	}
	pages, failures := mirror.NewSyncer(s.Client, s.prefix, 0).SyncBase(s.ctx)
	seen := 0
	for page := range pages {
		seen += len(page.Kvs)
	}
	must(t, <-failures)
	equal(t, "keys", seen, keys)
}

func TestKubernetesInterface(t *testing.T) {
	s := newSpace(t)
	client, err := kubernetes.New(clientv3.Config{Endpoints: []string{endpoint(t)}, Logger: s.GetLogger(), TLS: certificates(t)})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	k8s, pod := client.Kubernetes, s.key("pod")

	created, err := k8s.OptimisticPut(s.ctx, pod, []byte("1"), 0, kubernetes.PutOptions{})
	must(t, err)
	equal(t, "created", created.Succeeded, true)
	stale, err := k8s.OptimisticPut(s.ctx, pod, []byte("2"), created.Revision-1, kubernetes.PutOptions{GetOnFailure: true})
	must(t, err)
	equal(t, "stale put", stale.Succeeded, false)
	equal(t, "what it lost to", string(stale.KV.Value), "1")
	updated, err := k8s.OptimisticPut(s.ctx, pod, []byte("2"), created.Revision, kubernetes.PutOptions{})
	must(t, err)
	equal(t, "updated", updated.Succeeded, true)

	s.put("pod2", "3")
	page, err := k8s.List(s.ctx, s.prefix, kubernetes.ListOptions{Limit: 1})
	must(t, err)
	equal(t, "first page", s.show(page.Kvs), "pod=2")
	equal(t, "keys in all", page.Count, 2)
	rest, err := k8s.List(s.ctx, s.prefix, kubernetes.ListOptions{Continue: pod + "\x00", Revision: page.Revision})
	must(t, err)
	equal(t, "next page", s.show(rest.Kvs), "pod2=3")
	old, err := k8s.Get(s.ctx, pod, kubernetes.GetOptions{Revision: created.Revision})
	must(t, err)
	equal(t, "old value", string(old.KV.Value), "1")
	count, err := k8s.Count(s.ctx, s.prefix, kubernetes.CountOptions{})
	must(t, err)
	equal(t, "count", count, 2)

	kept, err := k8s.OptimisticDelete(s.ctx, pod, created.Revision, kubernetes.DeleteOptions{GetOnFailure: true})
	must(t, err)
	equal(t, "stale delete", kept.Succeeded, false)
	gone, err := k8s.OptimisticDelete(s.ctx, pod, updated.Revision, kubernetes.DeleteOptions{})
	must(t, err)
	equal(t, "delete", gone.Succeeded, true)
}
