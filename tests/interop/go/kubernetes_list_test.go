package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

// rest reads the pages that follow one, each from behind the last key of the
// one before it, at the revision of the first.
func (s *store) rest(page kubernetes.ListResponse, limit int64) (kvs []*mvccpb.KeyValue, err error) {
	revision := page.Revision
	for int64(len(page.Kvs)) < page.Count {
		left := page.Count - int64(len(page.Kvs))
		page, err = s.objects.List(s.ctx, s.prefix, kubernetes.ListOptions{
			Revision: revision, Limit: limit, Continue: string(page.Kvs[len(page.Kvs)-1].Key) + "\x00",
		})
		if err != nil {
			return nil, err
		}
		equal(s.t, "remaining items", page.Count, left)
		kvs = append(kvs, page.Kvs...)
	}
	return kvs, nil
}

func TestKubernetesPagesAreOfOneRevisionWhileOthersWrite(t *testing.T) {
	const limit, lists = 7, 5
	s := newStore(t)
	for i := range 40 {
		s.create(fmt.Sprintf("%02d", i), "v")
	}
	s.churn()
	for range lists {
		page := s.list(kubernetes.ListOptions{Limit: limit})
		equal(t, "length of a page", len(page.Kvs), limit)
		s.put("20", "changed after the first page")
		kvs, err := s.rest(page, limit)
		must(t, err)
		whole := s.list(kubernetes.ListOptions{Revision: page.Revision})
		equal(t, "pages and the whole", s.state(append(page.Kvs, kvs...)), s.state(whole.Kvs))
		sorted := slices.IsSortedFunc(whole.Kvs, func(a, b *mvccpb.KeyValue) int {
			return strings.Compare(string(a.Key), string(b.Key))
		})
		equal(t, "in the order of keys", sorted, true)
	}
}

func TestKubernetesContinueTokenExpires(t *testing.T) {
	s := newStore(t)
	for _, name := range strings.Fields("a b c d e") {
		s.create(name, "1")
	}
	page := s.list(kubernetes.ListOptions{Limit: 2})
	equal(t, "first page", s.show(page.Kvs), "a=1 b=1")
	s.put("d", "2")
	s.put("bb", "2")
	s.delete("e")
	must(t, ignore(s.Compact(s.ctx, page.Revision+3)))

	_, err := s.rest(page, 2)
	equal(t, "the next page, consistent", err, error(rpctypes.ErrCompacted))

	// The answer then has a token of revision "now" for whoever is content with
	// a list that is not consistent.
	now := s.list(kubernetes.ListOptions{Continue: s.key("b") + "\x00", Limit: 2})
	equal(t, "the next page, inconsistent", s.show(now.Kvs), "bb=2 c=1")
	kvs, err := s.rest(now, 2)
	must(t, err)
	equal(t, "the last one", s.show(kvs), "d=2")
}

func TestKubernetesListsOldRevisions(t *testing.T) {
	s := newStore(t)
	first := s.create("a", "1")
	s.create("b", "1")
	last, err := s.update("a", increment)
	must(t, err)

	old := s.list(kubernetes.ListOptions{Revision: first})
	equal(t, "then", s.show(old.Kvs), "a=1")
	equal(t, "header revision", old.Revision, last)
	equal(t, "now", s.show(s.list(kubernetes.ListOptions{Revision: last}).Kvs), "a=2 b=1")

	_, err = s.objects.List(s.ctx, s.prefix, kubernetes.ListOptions{Revision: last + 1})
	equal(t, "a revision that is yet to come", err, error(rpctypes.ErrFutureRev))
	must(t, ignore(s.Compact(s.ctx, last)))
	equal(t, "what it was compacted to", s.show(s.list(kubernetes.ListOptions{Revision: last}).Kvs), "a=2 b=1")
	_, err = s.objects.Get(s.ctx, s.key("a"), kubernetes.GetOptions{Revision: last - 1})
	equal(t, "before that", err, error(rpctypes.ErrCompacted))
}

func TestKubernetesListsWhatItHasJustWritten(t *testing.T) {
	s, other := newStore(t), connect(t)
	for i := range 100 {
		reply, err := other.Put(s.ctx, s.key("pod"), fmt.Sprint(i))
		must(t, err)
		page := s.list(kubernetes.ListOptions{})
		equal(t, "list", s.show(page.Kvs), fmt.Sprintf("pod=%d", i))
		equal(t, "revision", page.Revision, reply.Header.Revision)
	}
}

func TestKubernetesCountsObjectsAndListsTheirKeys(t *testing.T) {
	const objects = 30
	s := newStore(t)
	for i := range objects {
		s.create(fmt.Sprintf("%02d", i), strings.Repeat("x", 100))
	}
	must(t, ignore(s.Put(s.ctx, strings.TrimSuffix(s.prefix, "/")+"0", "of another resource")))
	s.delete("07")

	count, err := s.objects.Count(s.ctx, s.prefix, kubernetes.CountOptions{})
	must(t, err)
	equal(t, "count", count, objects-1)
	equal(t, "count of nothing", s.get("none/", clientv3.WithPrefix(), clientv3.WithCountOnly()).Count, 0)

	keys := s.get("", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	equal(t, "keys", len(keys.Kvs), objects-1)
	for _, kv := range keys.Kvs {
		if len(kv.Value) != 0 || kv.ModRevision == 0 {
			t.Errorf("a key without its value has its revision: %v", kv)
		}
	}
}

func TestKubernetesStreamsAListOfOneRevisionWhileOthersWrite(t *testing.T) {
	const objects, size = 300, 10_000
	s := newStore(t)
	for first := 0; first < objects; first += 100 {
		ops := make([]clientv3.Op, 100)
		for i := range ops {
			ops[i] = clientv3.OpPut(s.key(fmt.Sprintf("%03d", first+i)), strings.Repeat("x", size))
		}
		s.commit(s.Txn(s.ctx).Then(ops...))
	}
	s.churn()
	for range 3 {
		stream, err := s.GetStream(s.ctx, s.prefix, clientv3.WithPrefix())
		must(t, err)
		streamed, err := clientv3.GetStreamToGetResponse(stream)
		if err != nil && strings.Contains(err.Error(), "unknown method RangeStream") {
			t.Skip("the server is older than RangeStream (etcd 3.7)")
		}
		must(t, err)
		whole := s.list(kubernetes.ListOptions{Revision: streamed.Header.Revision})
		equal(t, "count", streamed.Count, whole.Count)
		if s.state(streamed.Kvs) != s.state(whole.Kvs) {
			t.Error("what was streamed is not what there was at its revision")
		}
	}
	must(t, ignore(s.Compact(s.ctx, s.get("").Header.Revision)))
	stream, err := s.GetStream(s.ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(1))
	must(t, err)
	_, err = clientv3.GetStreamToGetResponse(stream)
	equal(t, "a compacted revision", err, error(rpctypes.ErrCompacted))
}
