package interop

import (
	"fmt"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestPutCountsVersionsAndRevisions(t *testing.T) {
	s := newSpace(t)
	first := s.put("k", "1").Header.Revision
	second := s.put("k", "1").Header.Revision
	equal(t, "revision of an identical put", second, first+1)

	kv := s.get("k").Kvs[0]
	equal(t, "create revision", kv.CreateRevision, first)
	equal(t, "mod revision", kv.ModRevision, second)
	equal(t, "version", kv.Version, 2)

	s.delete("k")
	third := s.put("k", "2").Header.Revision
	kv = s.get("k").Kvs[0]
	equal(t, "create revision after a delete", kv.CreateRevision, third)
	equal(t, "version after a delete", kv.Version, 1)
}

func TestPutOptions(t *testing.T) {
	s := newSpace(t)
	if prev := s.put("k", "1", clientv3.WithPrevKV()).PrevKv; prev != nil {
		t.Errorf("a new key has a previous value: %v", prev)
	}
	reply := s.put("k", "2", clientv3.WithPrevKV())
	equal(t, "previous value", string(reply.PrevKv.Value), "1")
	equal(t, "previous version", reply.PrevKv.Version, 1)
	if prev := s.put("k", "3").PrevKv; prev != nil {
		t.Errorf("a previous value nobody asked for: %v", prev)
	}

	s.put("k", "", clientv3.WithIgnoreValue())
	s.put("k", "4", clientv3.WithIgnoreLease())
	kv := s.get("k").Kvs[0]
	equal(t, "value", string(kv.Value), "4")
	equal(t, "version", kv.Version, 5)
}

func TestDelete(t *testing.T) {
	s := newSpace(t)
	r := s.abc()

	miss := s.delete("x", clientv3.WithPrevKV())
	equal(t, "deleted, of none", miss.Deleted, 0)
	equal(t, "revision without a change", miss.Header.Revision, r+4)

	one := s.delete("a", clientv3.WithPrevKV())
	equal(t, "deleted, of one", one.Deleted, 1)
	equal(t, "previous", s.show(one.PrevKvs), "a=9")
	equal(t, "revision", one.Header.Revision, r+5)

	rest := s.delete("", clientv3.WithPrefix(), clientv3.WithPrevKV())
	equal(t, "deleted, of a prefix", rest.Deleted, 2)
	equal(t, "previous", s.show(rest.PrevKvs), "b=2 c=3")
	equal(t, "one revision for both", rest.Header.Revision, r+6)

	equal(t, "what was", s.show(s.get("", clientv3.WithPrefix(), clientv3.WithRev(r+5)).Kvs), "b=2 c=3")
	equal(t, "what is", s.get("", clientv3.WithPrefix()).Count, 0)

	s.abc()
	ranged := s.delete("a", clientv3.WithRange(s.key("c")))
	equal(t, "deleted, of a range", ranged.Deleted, 2)
	equal(t, "previous nobody asked for", len(ranged.PrevKvs), 0)
}

func TestConcurrentWritersOnOneConnection(t *testing.T) {
	const writers, each = 40, 25
	s := newSpace(t)
	before := s.put("start", "").Header.Revision
	revisions := make(chan int64, writers*each)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				reply, err := s.Put(s.ctx, s.key(fmt.Sprintf("%02d/%02d", w, i)), "v")
				if err != nil {
					t.Error(err)
					return
				}
				revisions <- reply.Header.Revision
			}
		})
	}
	group.Wait()
	close(revisions)

	seen := map[int64]bool{}
	for revision := range revisions {
		seen[revision] = true
	}
	equal(t, "distinct revisions", len(seen), writers*each)
	for i := range int64(writers * each) {
		if !seen[before+1+i] {
			t.Fatalf("revision %d was given to nobody", before+1+i)
		}
	}
}
