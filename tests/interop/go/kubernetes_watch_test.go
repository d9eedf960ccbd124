package interop

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

// cache is the API server's watch cache: a list, and the events since.
type cache struct {
	*store
	objects  map[string]*mvccpb.KeyValue
	revision int64 // up to which it knows everything
	told     int64 // the last one of these that came by the list or a bookmark
	watch    clientv3.WatchChan
}

// newCache lists the objects and watches from there on.
func (s *store) newCache() *cache {
	s.t.Helper()
	page := s.list(kubernetes.ListOptions{})
	c := &cache{store: s, objects: map[string]*mvccpb.KeyValue{}, revision: page.Revision, told: page.Revision}
	for _, kv := range page.Kvs {
		c.objects[string(kv.Key)] = kv
	}
	c.watch = s.Watch(s.ctx, s.prefix, s.cacheOptions(page.Revision+1)...)
	return c
}

func (s *store) cacheOptions(from int64) []clientv3.OpOption {
	return opts(clientv3.WithPrefix(), clientv3.WithRev(from), clientv3.WithPrevKV(), clientv3.WithProgressNotify())
}

// advance takes one response of the watch, if one comes in time.
func (c *cache) advance(wait <-chan time.Time) {
	c.t.Helper()
	select {
	case response, open := <-c.watch:
		if !open {
			c.t.Fatal("the watch ended")
		}
		must(c.t, response.Err())
		for _, event := range response.Events {
			c.apply(event)
		}
		if response.Header.Revision < c.revision {
			c.t.Fatalf("told of revision %d after %d", response.Header.Revision, c.revision)
		}
		if response.IsProgressNotify() {
			c.revision, c.told = response.Header.Revision, response.Header.Revision
		}
	case <-wait:
	case <-c.ctx.Done():
		c.t.Fatal("nothing came")
	}
}

// apply checks an event against what is cached: it must be newer than all that
// was told before, bookmarks included, and what it replaces must be known.
func (c *cache) apply(event *clientv3.Event) {
	c.t.Helper()
	key, before := string(event.Kv.Key), c.objects[string(event.Kv.Key)]
	if event.Kv.ModRevision < c.revision || event.Kv.ModRevision <= c.told {
		c.t.Fatalf("an event of the past: %v at revision %d", event, c.revision)
	}
	if before.String() != event.PrevKv.String() {
		c.t.Fatalf("%v replaced %v, while %v is what was there", event.Kv, event.PrevKv, before)
	}
	c.revision = event.Kv.ModRevision
	if event.Type == clientv3.EventTypeDelete {
		delete(c.objects, key)
	} else {
		equal(c.t, "is a creation", event.IsCreate(), before == nil)
		c.objects[key] = event.Kv
	}
}

func (c *cache) state() string {
	keys := slices.Sorted(maps.Keys(c.objects))
	kvs := make([]*mvccpb.KeyValue, len(keys))
	for i, key := range keys {
		kvs[i] = c.objects[key]
	}
	return c.store.state(kvs)
}

// catchUp asks for progress again and again until the cache has got to a revision.
func (c *cache) catchUp(revision int64) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for c.revision < revision {
		must(c.t, c.RequestProgress(c.ctx))
		c.advance(tick.C)
	}
}

// needsProgress skips the test on the versions that the API server, too, does
// not ask for progress: their answers may overtake events.
func (s *store) needsProgress() {
	s.t.Helper()
	status, err := s.Status(s.ctx, endpoint(s.t))
	must(s.t, err)
	var minor, patch int
	_, err = fmt.Sscanf(status.Version, "3.%d.%d", &minor, &patch)
	must(s.t, err)
	if minor < 5 || (minor == 5 && patch < 13) {
		s.t.Skipf("progress that is asked for may overtake events in etcd %s", status.Version)
	}
}

func TestKubernetesCacheFollowsFromTheRevisionOfItsList(t *testing.T) {
	s := newStore(t)
	stop := s.churn()
	c := s.newCache()
	start := c.revision
	for c.revision < start+300 {
		c.advance(nil)
	}
	stop()
	s.create("last", "1")
	for c.objects[s.key("last")] == nil {
		c.advance(nil)
	}
	page := s.list(kubernetes.ListOptions{})
	equal(t, "cache and list", c.state(), s.state(page.Kvs))
	equal(t, "revision", c.revision, page.Revision)
}

// TestKubernetesReadsFromTheCacheAreConsistent answers reads from the cache
// once that has got to the revision of the store when the read came.
func TestKubernetesReadsFromTheCacheAreConsistent(t *testing.T) {
	const reads = 30
	s := newStore(t)
	s.needsProgress()
	s.churn()
	c := s.newCache()
	for range reads {
		current, err := s.objects.List(s.ctx, s.prefix, kubernetes.ListOptions{Limit: 1})
		must(t, err)
		c.catchUp(current.Revision)
		page := s.list(kubernetes.ListOptions{Revision: c.revision})
		equal(t, "cache and list", c.state(), s.state(page.Kvs))
	}
}

func TestKubernetesCacheOfAQuietResourceGetsFresh(t *testing.T) {
	s := newStore(t)
	s.needsProgress()
	s.create("pod", "1")
	c := s.newCache()
	for range 20 {
		// Nothing that the cache would hear of by an event.
		reply, err := s.Put(s.ctx, "/of another resource"+s.prefix, "v")
		must(t, err)
		c.catchUp(reply.Header.Revision)
		equal(t, "revision", c.revision, reply.Header.Revision)
	}
}

// TestKubernetesProgressIsToldToEveryCache has the watches of many resources
// on one stream, as those of an API server are.
func TestKubernetesProgressIsToldToEveryCache(t *testing.T) {
	const resources = 20
	s := newStore(t)
	s.needsProgress()
	var watches [resources]clientv3.WatchChan
	for i := range watches {
		watches[i] = s.Watch(s.ctx, s.key(fmt.Sprintf("%02d/", i)), clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	}
	for _, watch := range watches {
		<-watch
	}
	revision := s.put("07/pod", "1").Header.Revision
	s.told("an event", watches[7], "+07/pod=1")
	must(t, s.RequestProgress(s.ctx))
	for _, watch := range watches {
		response := <-watch
		equal(t, "is progress", response.IsProgressNotify(), true)
		equal(t, "revision", response.Header.Revision, revision)
	}
}

func TestKubernetesProgressDoesNotOvertakeHistory(t *testing.T) {
	const events = 3000
	s := newStore(t)
	s.needsProgress()
	first := s.put("pod", "0").Header.Revision
	for range events / 100 {
		ops := make([]clientv3.Op, 100)
		for i := range ops {
			ops[i] = clientv3.OpPut(s.key(fmt.Sprint(i)), strings.Repeat("x", 1000))
		}
		s.commit(s.Txn(s.ctx).Then(ops...))
	}
	last := s.put("pod", "1").Header.Revision

	watch := s.Watch(s.ctx, s.prefix, s.cacheOptions(first)...)
	told, seen := int64(0), 0
	for told < last {
		must(t, s.RequestProgress(s.ctx))
		select {
		case response := <-watch:
			must(t, response.Err())
			seen += len(response.Events)
			if response.IsProgressNotify() {
				told = response.Header.Revision
			}
		case <-time.After(50 * time.Millisecond):
		case <-s.ctx.Done():
			t.Fatal("no progress was told")
		}
	}
	equal(t, "events before the progress", seen, events+2)
}

// TestKubernetesBookmarks needs a server that notifies of progress often.
func TestKubernetesBookmarks(t *testing.T) {
	s := newStore(t)
	s.create("pod", "1")
	c := s.newCache()
	// It concerns no object, so only a bookmark can tell of it.
	elsewhere, err := s.Put(s.ctx, "/of another resource"+s.prefix, "v")
	must(t, err)
	for c.revision < elsewhere.Header.Revision {
		c.advance(nil)
	}
	equal(t, "bookmark", c.revision, elsewhere.Header.Revision)

	// A bookmark is as good as a list to go on from, when all before it is compacted.
	updated, err := s.update("pod", increment)
	must(t, err)
	must(t, ignore(s.Compact(s.ctx, c.revision)))
	resumed := s.Watch(s.ctx, s.prefix, s.cacheOptions(c.revision+1)...)
	equal(t, "next event", s.next(resumed).Events[0].Kv.ModRevision, updated)
}

func TestKubernetesWatchFromACompactedRevision(t *testing.T) {
	s := newStore(t)
	first := s.create("pod", "0")
	going := s.newCache()
	for range 5 {
		_, err := s.update("pod", increment)
		must(t, err)
	}
	compacted := first + 4
	must(t, ignore(s.Compact(s.ctx, compacted)))

	watch := s.Watch(s.ctx, s.prefix, s.cacheOptions(first+1)...)
	response := <-watch
	equal(t, "error", response.Err(), error(rpctypes.ErrCompacted))
	equal(t, "canceled", response.Canceled, true)
	equal(t, "compact revision", response.CompactRevision, compacted)
	if _, open := <-watch; open {
		t.Error("the watch goes on after its error")
	}

	// One that was there before is none the worse.
	for going.revision < first+5 {
		going.advance(nil)
	}
	equal(t, "cache", going.state(), fmt.Sprintf("pod=5@%d", first+5))

	// What it was compacted to can still be watched, though not what was there before.
	oldest := s.next(s.Watch(s.ctx, s.prefix, s.cacheOptions(compacted)...))
	equal(t, "oldest event", oldest.Events[0].Kv.ModRevision, compacted)
	if previous := oldest.Events[0].PrevKv; previous != nil {
		t.Errorf("a previous value that is compacted: %v", previous)
	}
}

func TestKubernetesWatchFromARevisionYetToCome(t *testing.T) {
	s := newStore(t)
	created := s.create("pod", "0")
	watch := s.Watch(s.ctx, s.prefix, append(s.cacheOptions(created+3), clientv3.WithCreatedNotify())...)
	equal(t, "created", (<-watch).Created, true)
	for range 4 {
		_, err := s.update("pod", increment)
		must(t, err)
	}
	s.told("from there on", watch, "~pod=3 ~pod=4")
}
