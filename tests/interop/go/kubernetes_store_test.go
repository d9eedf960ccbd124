package interop

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

func TestKubernetesCreatesAnObjectOnce(t *testing.T) {
	s := newStore(t)
	created := s.create("pod", "first")

	again, err := s.objects.OptimisticPut(s.ctx, s.key("pod"), []byte("second"), 0, kubernetes.PutOptions{})
	must(t, err)
	equal(t, "created again", again.Succeeded, false)
	equal(t, "revision of a failure", again.Revision, created)
	equal(t, "object", s.show(s.get("pod").Kvs), "pod=first")

	gone, err := s.objects.OptimisticDelete(s.ctx, s.key("pod"), created, kubernetes.DeleteOptions{})
	must(t, err)
	equal(t, "deleted", gone.Succeeded, true)
	equal(t, "created anew", s.create("pod", "third"), created+2)
	equal(t, "version", s.get("pod").Kvs[0].Version, 1)
}

func TestKubernetesCreatorsHaveOneWinner(t *testing.T) {
	const creators, objects = 6, 20
	s := newStore(t)
	var won [objects]atomic.Int64
	var group sync.WaitGroup
	for creator := range creators {
		group.Go(func() {
			for i := range objects {
				reply, err := s.objects.OptimisticPut(s.ctx, s.key(fmt.Sprint(i)), []byte(strconv.Itoa(creator)), 0, kubernetes.PutOptions{})
				if err != nil {
					t.Error(err)
				} else if reply.Succeeded && !won[i].CompareAndSwap(0, reply.Revision) {
					t.Errorf("object %d was created twice", i)
				}
			}
		})
	}
	group.Wait()
	for i := range won {
		equal(t, "mod revision", s.get(fmt.Sprint(i)).Kvs[0].ModRevision, won[i].Load())
	}
}

func TestKubernetesUpdatesAreNotLost(t *testing.T) {
	const writers, each = 6, 15
	s := newStore(t)
	created := s.create("counter", "0")
	revisions := make(chan int64, writers*each)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				revision, err := s.update("counter", increment)
				if err != nil {
					t.Error(err)
				}
				revisions <- revision
			}
		})
	}
	group.Wait()
	close(revisions)

	kv := s.get("counter").Kvs[0]
	equal(t, "sum", string(kv.Value), strconv.Itoa(writers*each))
	equal(t, "version", kv.Version, 1+writers*each)
	equal(t, "create revision", kv.CreateRevision, created)
	told := map[int64]bool{}
	for revision := range revisions {
		told[revision] = true
		old, err := s.objects.Get(s.ctx, s.key("counter"), kubernetes.GetOptions{Revision: revision})
		must(t, err)
		equal(t, "written at the revision it was told", old.KV.ModRevision, revision)
	}
	equal(t, "writes with revisions of their own", len(told), writers*each)
}

func TestKubernetesUpdateFindsADeletedObjectGone(t *testing.T) {
	s := newStore(t)
	created := s.create("pod", "v")
	s.delete("pod")

	reply, err := s.objects.OptimisticPut(s.ctx, s.key("pod"), []byte("w"), created, kubernetes.PutOptions{GetOnFailure: true})
	must(t, err)
	equal(t, "succeeded", reply.Succeeded, false)
	if reply.KV != nil {
		t.Errorf("a deleted object: %v", reply.KV)
	}
	_, err = s.update("pod", increment)
	equal(t, "update", err, errNotFound)
	missing, err := s.objects.Get(s.ctx, s.key("pod"), kubernetes.GetOptions{})
	must(t, err)
	equal(t, "revision of nothing", missing.Revision, created+1)
}

func TestKubernetesDeletesOnlyWhatItSaw(t *testing.T) {
	s := newStore(t)
	created := s.create("pod", "v")
	updated, err := s.update("pod", func(string) string { return "w" })
	must(t, err)

	stale, err := s.objects.OptimisticDelete(s.ctx, s.key("pod"), created, kubernetes.DeleteOptions{GetOnFailure: true})
	must(t, err)
	equal(t, "stale delete", stale.Succeeded, false)
	equal(t, "what it lost to", s.show([]*mvccpb.KeyValue{stale.KV}), "pod=w")
	equal(t, "revision of a failure", stale.Revision, updated)

	gone, err := s.objects.OptimisticDelete(s.ctx, s.key("pod"), stale.KV.ModRevision, kubernetes.DeleteOptions{GetOnFailure: true})
	must(t, err)
	equal(t, "delete", gone.Succeeded, true)
	equal(t, "its revision", gone.Revision, updated+1)

	// The compare holds for what is not there, and the delete finds nothing.
	nothing, err := s.objects.OptimisticDelete(s.ctx, s.key("pod"), 0, kubernetes.DeleteOptions{})
	must(t, err)
	equal(t, "delete of nothing", nothing.Succeeded, true)
	equal(t, "changes nothing", nothing.Revision, updated+1)
}

func TestKubernetesDeleteAndUpdateDoNotBothSucceed(t *testing.T) {
	const rounds, updaters = 15, 3
	s := newStore(t)
	for round := range rounds {
		name := fmt.Sprint(round)
		seen := s.create(name, "0")
		var updates, deletes atomic.Int64
		var group sync.WaitGroup
		group.Go(func() {
			for expected := seen; ; {
				reply, err := s.objects.OptimisticDelete(s.ctx, s.key(name), expected, kubernetes.DeleteOptions{GetOnFailure: true})
				if err != nil {
					t.Error(err)
					return
				}
				if reply.Succeeded {
					deletes.Store(reply.Revision)
					return
				}
				expected = reply.KV.ModRevision
			}
		})
		for range updaters {
			group.Go(func() {
				_, err := s.update(name, increment)
				switch {
				case err == nil:
					updates.Add(1)
				case !errors.Is(err, errNotFound):
					t.Error(err)
				}
			})
		}
		group.Wait()
		// Every update that succeeded was seen by the delete.
		before, err := s.objects.Get(s.ctx, s.key(name), kubernetes.GetOptions{Revision: deletes.Load() - 1})
		must(t, err)
		equal(t, "what was deleted", string(before.KV.Value), strconv.FormatInt(updates.Load(), 10))
		equal(t, "what is left", len(s.get(name).Kvs), 0)
	}
}

func TestKubernetesReadsLeaveTheRevisionAlone(t *testing.T) {
	s := newStore(t)
	created := s.create("pod", "v")
	for range 5 {
		reply, err := s.objects.Get(s.ctx, s.key("pod"), kubernetes.GetOptions{})
		must(t, err)
		equal(t, "revision of a get", reply.Revision, created)
	}
	equal(t, "revision of a list", s.list(kubernetes.ListOptions{}).Revision, created)
}

func TestKubernetesObjectTooLarge(t *testing.T) {
	s := newStore(t)
	large := []byte(strings.Repeat("x", 1700<<10))
	_, err := s.objects.OptimisticPut(s.ctx, s.key("pod"), large, 0, kubernetes.PutOptions{})
	equal(t, "error", err, error(rpctypes.ErrRequestTooLarge))
	s.create("pod", strings.Repeat("x", 1400<<10))
}

// TestKubernetesMonitorsStorage does what the API server's health check, its
// size metric and its check for features of the server do.
func TestKubernetesMonitorsStorage(t *testing.T) {
	s := newStore(t)
	must(t, ignore(s.Get(s.ctx, "/registry/health")))
	before, err := s.Status(s.ctx, endpoint(t))
	must(t, err)
	var major, minor, patch int
	_, err = fmt.Sscanf(before.Version, "%d.%d.%d", &major, &minor, &patch)
	must(t, err)
	equal(t, "major version", major, 3)

	const objects, size = 12, 1 << 20
	for i := range objects {
		s.create(fmt.Sprint(i), strings.Repeat("x", size))
	}
	for {
		after, err := s.Status(s.ctx, endpoint(t))
		must(t, err)
		if after.DbSize < after.DbSizeInUse {
			t.Errorf("%d bytes in use of %d", after.DbSizeInUse, after.DbSize)
		}
		// Writes may be counted a moment after they are acknowledged.
		if after.DbSizeInUse-before.DbSizeInUse >= objects*size {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
}
