package interop

import (
	"errors"
	"strconv"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

const compactRevKey = "compact_rev_key"

// compactor is one API server's part of compaction. All of them compare the
// version of one key, which is the logical time: in each interval one finds it
// as it left it, compacts to the revision of the interval before and moves the
// time on. The others learn time and revision, and are one of them next.
type compactor struct {
	*store
	time, revision int64
}

// tick does what an API server does once in an interval, and returns the
// revision that is compacted now, as far as it knows.
func (c *compactor) tick() int64 {
	c.t.Helper()
	reply := c.commit(c.Txn(c.ctx).
		If(clientv3.Compare(clientv3.Version(compactRevKey), "=", c.time)).
		Then(clientv3.OpPut(compactRevKey, strconv.FormatInt(c.revision, 10))).
		Else(clientv3.OpGet(compactRevKey)))
	if !reply.Succeeded {
		kv := reply.Responses[0].GetResponseRange().Kvs[0]
		c.time, c.revision = kv.Version, reply.Header.Revision
		compacted, err := strconv.ParseInt(string(kv.Value), 10, 64)
		must(c.t, err)
		return compacted
	}
	compacted := c.revision
	c.time, c.revision = c.time+1, reply.Header.Revision
	if compacted == 0 {
		return 0 // nothing is compacted in the first interval
	}
	must(c.t, ignore(c.Compact(c.ctx, compacted)))
	return compacted
}

// isCompacted tells whether a revision can no longer be read.
func (s *store) isCompacted(revision int64) bool {
	s.t.Helper()
	_, err := s.objects.Get(s.ctx, s.key("pod"), kubernetes.GetOptions{Revision: revision})
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		s.t.Fatal(err)
	}
	return err != nil
}

func newCompactors(t *testing.T, count int) []*compactor {
	s := newStore(t)
	must(t, ignore(s.Client.Delete(s.ctx, compactRevKey)))
	s.create("pod", "0")
	compactors := make([]*compactor, count)
	for i := range compactors {
		compactors[i] = &compactor{store: s}
	}
	return compactors
}

func TestKubernetesCompactorKeepsOneInterval(t *testing.T) {
	c := newCompactors(t, 1)[0]
	equal(t, "compacted at first", c.tick(), 0)
	previous := c.revision
	for interval := range 4 {
		updated, err := c.update("pod", increment)
		must(t, err)
		equal(t, "compacted", c.tick(), previous)
		equal(t, "before", c.isCompacted(previous-1), true)
		equal(t, "what was there then", c.isCompacted(previous), false)
		equal(t, "since", c.isCompacted(updated), false)
		equal(t, "time", c.time, int64(interval)+2)
		previous = c.revision
	}
}

func TestKubernetesCompactorsTakeTurns(t *testing.T) {
	both := newCompactors(t, 2)
	first, second := both[0], both[1]
	equal(t, "first", first.tick(), 0)
	afterFirst := first.revision
	// Its time is behind: it learns, and compacts nothing.
	equal(t, "second, behind", second.tick(), 0)
	equal(t, "its time", second.time, first.time)

	equal(t, "first again", first.tick(), afterFirst)
	equal(t, "second learns what is compacted", second.tick(), afterFirst)
	// The first one is gone, and the second takes over.
	known := second.revision
	equal(t, "second", second.tick(), known)
	equal(t, "compacted", second.isCompacted(known-1), true)
	// It comes back, with a time that has passed.
	equal(t, "first, back", first.tick(), known)
	equal(t, "its time", first.time, second.time)
}

func TestKubernetesCompactionIsToldByAWatch(t *testing.T) {
	c := newCompactors(t, 1)[0]
	c.tick()
	from := c.get("").Header.Revision
	watch := c.Watch(c.ctx, compactRevKey, clientv3.WithRev(from+1))
	for range 3 {
		compacted := c.tick()
		event := c.next(watch).Events[0]
		equal(t, "told", string(event.Kv.Value), strconv.FormatInt(compacted, 10))
	}
}

func TestKubernetesCompactionDoesNotGoBack(t *testing.T) {
	s := newStore(t)
	s.create("pod", "0")
	last, err := s.update("pod", increment)
	must(t, err)
	must(t, ignore(s.Compact(s.ctx, last)))
	for _, revision := range []int64{last, last - 1} {
		_, err = s.Compact(s.ctx, revision)
		equal(t, "compacted already", err, error(rpctypes.ErrCompacted))
	}
	_, err = s.Compact(s.ctx, last+1)
	equal(t, "yet to come", err, error(rpctypes.ErrFutureRev))
}
