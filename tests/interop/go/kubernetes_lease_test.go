package interop

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

// leases is the API server's lease manager: objects that end at about the same
// time share a lease. A new one is granted for a little longer than asked, and
// is used while it lasts long enough and has few enough objects.
type leases struct {
	*store
	most     int
	id       clientv3.LeaseID
	ends     time.Time
	attached int
}

func (l *leases) lease(ttl int64) clientv3.LeaseID {
	l.t.Helper()
	extra := ttl / 20
	now, wanted := time.Now(), time.Duration(ttl)*time.Second
	long := now.Add(wanted).Before(l.ends)
	short := now.Add(wanted + time.Duration(extra)*time.Second).After(l.ends)
	l.attached++
	if long && short && l.attached <= l.most {
		return l.id
	}
	l.id, l.attached = l.grant(ttl+extra), 1
	l.ends = now.Add(time.Duration(ttl+extra) * time.Second)
	return l.id
}

func (s *store) createWithLease(name string, lease clientv3.LeaseID) int64 {
	s.t.Helper()
	reply, err := s.objects.OptimisticPut(s.ctx, s.key(name), []byte("event"), 0, kubernetes.PutOptions{LeaseID: lease})
	must(s.t, err)
	equal(s.t, "created", reply.Succeeded, true)
	return reply.Revision
}

func TestKubernetesEventsShareALease(t *testing.T) {
	const events, most = 25, 10
	l := &leases{store: newStore(t), most: most}
	byLease := map[clientv3.LeaseID]int{}
	for i := range events {
		lease := l.lease(3600)
		byLease[lease]++
		l.createWithLease(fmt.Sprintf("%02d", i), lease)
	}
	equal(t, "leases", len(byLease), 3)
	for lease, objects := range byLease {
		left, err := l.TimeToLive(l.ctx, lease, clientv3.WithAttachedKeys())
		must(t, err)
		equal(t, "keys", len(left.Keys), objects)
		equal(t, "granted", left.GrantedTTL, 3600+180)
		must(t, ignore(l.Revoke(l.ctx, lease)))
	}
	equal(t, "what is left", l.show(l.list(kubernetes.ListOptions{}).Kvs), "")
}

func TestKubernetesEventsExpireTogether(t *testing.T) {
	const events = 20
	s := newStore(t)
	c := s.newCache()
	lease := s.grant(3)
	ops := make([]clientv3.Op, events)
	for i := range ops {
		ops[i] = clientv3.OpPut(s.key(fmt.Sprintf("%02d", i)), "event", clientv3.WithLease(lease))
	}
	created := s.commit(s.Txn(s.ctx).Then(ops...)).Header.Revision
	for len(c.objects) < events {
		c.advance(nil)
	}
	expired := s.next(c.watch)
	equal(t, "events of the end", len(expired.Events), events)
	for i, event := range expired.Events {
		equal(t, "event", s.word(event), fmt.Sprintf("-%02d", i))
		equal(t, "revision", event.Kv.ModRevision, created+1)
		equal(t, "what it was", event.PrevKv.String(), c.objects[string(event.Kv.Key)].String())
	}
}

func TestKubernetesUpdateWithoutATTLKeepsTheObject(t *testing.T) {
	s := newStore(t)
	lease := s.grant(100)
	s.createWithLease("kept", lease)
	s.createWithLease("gone", lease)
	_, err := s.update("kept", func(string) string { return "for good" })
	must(t, err)
	equal(t, "lease", s.get("kept").Kvs[0].Lease, 0)
	must(t, ignore(s.Revoke(s.ctx, lease)))
	equal(t, "what is left", s.show(s.list(kubernetes.ListOptions{}).Kvs), "kept=for good")
}
