package interop

import (
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func (s *space) grant(ttl int64) clientv3.LeaseID {
	s.t.Helper()
	reply, err := s.Grant(s.ctx, ttl)
	must(s.t, err)
	return reply.ID
}

func TestLeaseTakesItsKeysWithIt(t *testing.T) {
	s := newSpace(t)
	lease := s.grant(100)
	s.put("a", "1", clientv3.WithLease(lease))
	s.put("b", "2", clientv3.WithLease(lease))
	s.put("c", "3")

	left, err := s.TimeToLive(s.ctx, lease, clientv3.WithAttachedKeys())
	must(t, err)
	equal(t, "granted", left.GrantedTTL, 100)
	equal(t, "keys", len(left.Keys), 2)

	_, err = s.Revoke(s.ctx, lease)
	must(t, err)
	equal(t, "what is left", s.show(s.get("", clientv3.WithPrefix()).Kvs), "c=3")
	_, err = s.Revoke(s.ctx, lease)
	equal(t, "revoked again", err, error(rpctypes.ErrLeaseNotFound))

	left, err = s.TimeToLive(s.ctx, lease)
	must(t, err)
	equal(t, "time to live of none", left.TTL, -1)
}

func TestLeaseIsKeptAlive(t *testing.T) {
	s := newSpace(t)
	lease := s.grant(2)
	s.put("k", "v", clientv3.WithLease(lease))
	replies, err := s.KeepAlive(s.ctx, lease)
	must(t, err)
	for range 4 {
		reply, open := <-replies
		if !open {
			t.Fatal("the lease is not kept alive")
		}
		equal(t, "time to live", reply.TTL, 2)
	}
	equal(t, "the key", s.show(s.get("k").Kvs), "k=v")
	_, err = s.Revoke(s.ctx, lease)
	must(t, err)
	for range replies { // until the client has heard of the end
	}
}

func TestLeaseIsKeptAliveOnce(t *testing.T) {
	s := newSpace(t)
	lease := s.grant(100)
	time.Sleep(1100 * time.Millisecond)
	reply, err := s.KeepAliveOnce(s.ctx, lease)
	must(t, err)
	equal(t, "time to live", reply.TTL, 100)
	left, err := s.TimeToLive(s.ctx, lease)
	must(t, err)
	if left.TTL < 90 || left.TTL > 99 {
		t.Errorf("left: %d", left.TTL)
	}
}

func TestManyLeasesAreKeptAliveTogether(t *testing.T) {
	s := newSpace(t)
	channels := make(map[clientv3.LeaseID]<-chan *clientv3.LeaseKeepAliveResponse)
	for range 100 {
		lease := s.grant(6)
		replies, err := s.KeepAlive(s.ctx, lease)
		must(t, err)
		channels[lease] = replies
	}
	for range 2 {
		for lease, replies := range channels {
			reply, open := <-replies
			if !open {
				t.Fatal("a lease is not kept alive")
			}
			equal(t, "lease", reply.ID, lease)
			equal(t, "time to live", reply.TTL, 6)
		}
	}
}

func TestKeyChangesItsLease(t *testing.T) {
	s := newSpace(t)
	first, second := s.grant(100), s.grant(100)
	s.put("k", "1", clientv3.WithLease(first))
	s.put("k", "2", clientv3.WithLease(second))
	s.put("k", "3", clientv3.WithIgnoreLease())
	must(t, ignore(s.Revoke(s.ctx, first)))
	equal(t, "kept", s.show(s.get("k").Kvs), "k=3")
	must(t, ignore(s.Revoke(s.ctx, second)))
	equal(t, "gone", s.show(s.get("k").Kvs), "")
}

func TestLeaseRunsOut(t *testing.T) {
	s := newSpace(t)
	asked := time.Now()
	lease := s.grant(1) // raised to the least
	changes := s.Watch(s.ctx, s.key("k"))
	s.put("k", "v", clientv3.WithLease(lease))
	equal(t, "first event", (<-changes).Events[0].Type, clientv3.EventTypePut)
	equal(t, "second event", (<-changes).Events[0].Type, clientv3.EventTypeDelete)
	if lived := time.Since(asked); lived < 2*time.Second || lived > 15*time.Second {
		t.Errorf("it lived for %v", lived)
	}
	_, err := s.KeepAliveOnce(s.ctx, lease)
	equal(t, "kept alive too late", err, error(rpctypes.ErrLeaseNotFound))
}

func TestLeasesAreListed(t *testing.T) {
	s := newSpace(t)
	long, short := s.grant(2000), s.grant(1000)
	reply, err := s.Leases(s.ctx)
	must(t, err)
	var found []clientv3.LeaseID
	for _, status := range reply.Leases {
		if status.ID == long || status.ID == short {
			found = append(found, status.ID)
		}
	}
	if len(found) != 2 || found[0] != short {
		t.Errorf("got %v, want %v before %v", found, short, long)
	}
}
