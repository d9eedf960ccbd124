package interop

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func (s *space) session(options ...concurrency.SessionOption) *concurrency.Session {
	s.t.Helper()
	session, err := concurrency.NewSession(s.Client, options...)
	must(s.t, err)
	s.t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestSessionEndsWithItsLease(t *testing.T) {
	s := newSpace(t)
	session := s.session(concurrency.WithTTL(4))
	select {
	case <-session.Done():
		t.Fatal("it ended by itself")
	case <-time.After(5 * time.Second):
	}
	_, err := s.Revoke(s.ctx, session.Lease())
	must(t, err)
	select {
	case <-session.Done():
	case <-s.ctx.Done():
		t.Fatal("it outlives its lease")
	}
}

func TestMutexExcludes(t *testing.T) {
	s := newSpace(t)
	var group sync.WaitGroup
	holders, rounds := 0, 0
	for range 8 {
		mutex := concurrency.NewMutex(s.session(), s.key("m"))
		group.Go(func() {
			for range 10 {
				if err := mutex.Lock(s.ctx); err != nil {
					t.Error(err)
					return
				}
				holders++
				rounds++
				equal(t, "holders", holders, 1)
				holders--
				if err := mutex.Unlock(s.ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	equal(t, "rounds", rounds, 80)
	equal(t, "keys left", len(s.get("m", clientv3.WithPrefix()).Kvs), 0)
}

func TestMutexIsTriedAndGivenUp(t *testing.T) {
	s := newSpace(t)
	held := concurrency.NewMutex(s.session(), s.key("m"))
	must(t, held.Lock(s.ctx))
	other := concurrency.NewMutex(s.session(), s.key("m"))
	equal(t, "tried", other.TryLock(s.ctx), concurrency.ErrLocked)

	ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
	defer cancel()
	if err := other.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	equal(t, "keys", len(s.get("m", clientv3.WithPrefix()).Kvs), 1)
	must(t, held.Unlock(s.ctx))
	must(t, other.TryLock(s.ctx))
}

func TestMutexPassesOnWhenTheSessionEnds(t *testing.T) {
	s := newSpace(t)
	session := s.session()
	must(t, concurrency.NewMutex(session, s.key("m")).Lock(s.ctx))
	waiting := make(chan error, 1)
	other := concurrency.NewMutex(s.session(), s.key("m"))
	go func() { waiting <- other.Lock(s.ctx) }()
	must(t, session.Close())
	must(t, <-waiting)
}

func TestSessionIsLeftToAnother(t *testing.T) {
	s := newSpace(t)
	session := s.session(concurrency.WithTTL(4))
	session.Orphan()
	<-session.Done()
	heir := s.session(concurrency.WithLease(session.Lease()))
	equal(t, "lease", heir.Lease(), session.Lease())
	time.Sleep(5 * time.Second)
	left, err := s.TimeToLive(s.ctx, heir.Lease())
	must(t, err)
	equal(t, "granted", left.GrantedTTL, 4)
	must(t, heir.Close())
	left, err = s.TimeToLive(s.ctx, heir.Lease())
	must(t, err)
	equal(t, "time to live", left.TTL, -1)
}

func TestSessionOfADeadClientRunsOut(t *testing.T) {
	s := newSpace(t)
	began := time.Now()
	session := s.session(concurrency.WithTTL(2))
	must(t, concurrency.NewMutex(session, s.key("m")).Lock(s.ctx))
	session.Orphan() // from now on nobody keeps it alive
	must(t, concurrency.NewMutex(s.session(), s.key("m")).Lock(s.ctx))
	if waited := time.Since(began); waited < 2*time.Second || waited > 15*time.Second {
		t.Errorf("it waited for %v", waited)
	}
}

func TestMutexGuardsTransactions(t *testing.T) {
	s := newSpace(t)
	session := s.session()
	mutex := concurrency.NewMutex(session, s.key("m"))
	must(t, mutex.Lock(s.ctx))
	equal(t, "key", mutex.Key(), fmt.Sprintf("%s/%x", s.key("m"), session.Lease()))
	if mutex.Header().Revision == 0 {
		t.Error("no revision")
	}
	guarded := func() bool {
		put := clientv3.OpPut(s.key("k"), "v")
		return s.commit(s.Txn(s.ctx).If(mutex.IsOwner()).Then(put)).Succeeded
	}
	equal(t, "as the holder", guarded(), true)
	must(t, mutex.Unlock(s.ctx))
	equal(t, "afterwards", guarded(), false)
	equal(t, "unlocked twice", mutex.Unlock(s.ctx), concurrency.ErrLockReleased)
}

func TestMutexWaiterLosesItsSession(t *testing.T) {
	s := newSpace(t)
	held := concurrency.NewMutex(s.session(), s.key("m"))
	must(t, held.Lock(s.ctx))
	session := s.session()
	waiting := make(chan error, 1)
	go func() { waiting <- concurrency.NewMutex(session, s.key("m")).Lock(s.ctx) }()
	s.await("a waiter", func() bool { return len(s.get("m", clientv3.WithPrefix()).Kvs) == 2 })
	must(t, ignore(s.Revoke(s.ctx, session.Lease())))
	must(t, held.Unlock(s.ctx))
	equal(t, "waiter", <-waiting, concurrency.ErrSessionExpired)
}

func TestLocker(t *testing.T) {
	s := newSpace(t)
	locker := concurrency.NewLocker(s.session(), s.key("m"))
	locker.Lock()
	equal(t, "keys", len(s.get("m", clientv3.WithPrefix()).Kvs), 1)
	locker.Unlock()
	equal(t, "keys left", len(s.get("m", clientv3.WithPrefix()).Kvs), 0)
}

func TestElection(t *testing.T) {
	s := newSpace(t)
	first := concurrency.NewElection(s.session(), s.key("e"))
	second := concurrency.NewElection(s.session(), s.key("e"))
	_, err := first.Leader(s.ctx)
	equal(t, "leader of none", err, concurrency.ErrElectionNoLeader)

	must(t, first.Campaign(s.ctx, "one"))
	observed := second.Observe(s.ctx)
	next := func() string { return string((<-observed).Kvs[0].Value) }
	equal(t, "observed at first", next(), "one")

	won := make(chan error, 1)
	go func() { won <- second.Campaign(s.ctx, "two") }()
	must(t, first.Proclaim(s.ctx, "one and a half"))
	equal(t, "proclaimed", next(), "one and a half")
	for len(s.get("e", clientv3.WithPrefix()).Kvs) < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	must(t, first.Resign(s.ctx))
	must(t, <-won)
	equal(t, "observed at last", next(), "two")
	leader, err := first.Leader(s.ctx)
	must(t, err)
	equal(t, "leader", string(leader.Kvs[0].Value), "two")
	if err := first.Proclaim(s.ctx, "three"); !errors.Is(err, concurrency.ErrElectionNotLeader) {
		t.Errorf("proclaimed by who resigned: %v", err)
	}
	must(t, first.Resign(s.ctx))
}

func TestSTMCountsTogether(t *testing.T) {
	s := newSpace(t)
	for _, level := range []concurrency.Isolation{
		concurrency.SerializableSnapshot, concurrency.Serializable,
		concurrency.RepeatableReads, concurrency.ReadCommitted,
	} {
		s.put("from", "20")
		s.put("to", "0")
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 5 {
					_, err := concurrency.NewSTM(s.Client, func(stm concurrency.STM) error {
						from, _ := strconv.Atoi(stm.Get(s.key("from")))
						to, _ := strconv.Atoi(stm.Get(s.key("to")))
						stm.Put(s.key("from"), strconv.Itoa(from-1))
						stm.Put(s.key("to"), strconv.Itoa(to+1))
						return nil
					}, concurrency.WithIsolation(level), concurrency.WithAbortContext(s.ctx))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if level != concurrency.ReadCommitted { // which loses updates
			equal(t, "what is left", string(s.get("from").Kvs[0].Value), "0")
			equal(t, "what has come", string(s.get("to").Kvs[0].Value), "20")
		}
	}
}
