package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func (s *space) election() *concurrency.Election {
	s.t.Helper()
	return concurrency.NewElection(s.session(), s.key("e"))
}

// campaign begins to stand, and returns once the candidate is in the queue.
func (s *space) campaign(election *concurrency.Election, value string) <-chan error {
	s.t.Helper()
	before := s.candidates()
	won := make(chan error, 1)
	go func() { won <- election.Campaign(s.ctx, value) }()
	s.await("a candidate", func() bool { return s.candidates() > before })
	return won
}

func (s *space) candidates() int {
	return len(s.get("e", clientv3.WithPrefix()).Kvs)
}

func (s *space) await(what string, condition func() bool) {
	s.t.Helper()
	for !condition() {
		if s.ctx.Err() != nil {
			s.t.Fatalf("not in time: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestElectionTellsWhatWasWon(t *testing.T) {
	s := newSpace(t)
	session := s.session()
	election := concurrency.NewElection(session, s.key("e"))
	must(t, election.Campaign(s.ctx, "one"))
	equal(t, "key", election.Key(), fmt.Sprintf("%s/%x", s.key("e"), session.Lease()))
	equal(t, "revision", election.Rev(), election.Header().Revision)
	leader, err := election.Leader(s.ctx)
	must(t, err)
	equal(t, "created", leader.Kvs[0].CreateRevision, election.Rev())
	equal(t, "lease", leader.Kvs[0].Lease, int64(session.Lease()))

	must(t, election.Campaign(s.ctx, "one again"))
	leader, err = election.Leader(s.ctx)
	must(t, err)
	equal(t, "campaigned again", string(leader.Kvs[0].Value), "one again")
	equal(t, "candidates", s.candidates(), 1)
}

func TestElectionCandidateGivesUp(t *testing.T) {
	s := newSpace(t)
	must(t, s.election().Campaign(s.ctx, "one"))
	ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
	defer cancel()
	if err := s.election().Campaign(ctx, "two"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	equal(t, "candidates", s.candidates(), 1)
}

func TestElectionPassesOnWhenTheSessionEnds(t *testing.T) {
	s := newSpace(t)
	session := s.session()
	first := concurrency.NewElection(session, s.key("e"))
	must(t, first.Campaign(s.ctx, "one"))
	second := s.election()
	won := s.campaign(second, "two")
	must(t, session.Close())
	must(t, <-won)
	if err := first.Proclaim(s.ctx, "three"); !errors.Is(err, concurrency.ErrElectionNotLeader) {
		t.Errorf("proclaimed by who has gone: %v", err)
	}
	leader, err := second.Leader(s.ctx)
	must(t, err)
	equal(t, "leader", string(leader.Kvs[0].Value), "two")
}

func TestElectionIsResumed(t *testing.T) {
	s := newSpace(t)
	session := s.session()
	won := concurrency.NewElection(session, s.key("e"))
	must(t, won.Campaign(s.ctx, "one"))
	resumed := concurrency.ResumeElection(session, s.key("e"), won.Key(), won.Rev())
	must(t, resumed.Proclaim(s.ctx, "two"))
	must(t, resumed.Resign(s.ctx))
	_, err := won.Leader(s.ctx)
	equal(t, "leader", err, error(concurrency.ErrElectionNoLeader))
}

func TestElectionIsObservedInOrder(t *testing.T) {
	s := newSpace(t)
	elections := make([]*concurrency.Election, 5)
	won := make([]<-chan error, len(elections))
	for n := range elections {
		elections[n] = s.election()
		won[n] = s.campaign(elections[n], fmt.Sprint(n))
	}
	late := s.election()
	observers := []<-chan *clientv3.GetResponse{late.Observe(s.ctx), late.Observe(s.ctx)}
	for n, election := range elections {
		must(t, <-won[n])
		// Each is told of a leader that stays, and so of all of them.
		for _, observer := range observers {
			told := <-observer
			equal(t, "observed", string(told.Kvs[0].Value), fmt.Sprint(n))
			equal(t, "of", string(told.Kvs[0].Key), election.Key())
		}
		must(t, election.Resign(s.ctx))
	}
	equal(t, "candidates", s.candidates(), 0)
	select {
	case told := <-observers[0]:
		t.Errorf("observed nobody as %v", told)
	case <-time.After(200 * time.Millisecond):
	}
}
