package interop

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestStatus(t *testing.T) {
	s := newSpace(t)
	revision := s.put("k", "v").Header.Revision

	status, err := s.Status(s.ctx, endpoint(t))
	must(t, err)

	equal(t, "header revision", status.Header.Revision, revision)
	equal(t, "leads itself", status.Leader, status.Header.MemberId)
	equal(t, "is a learner", status.IsLearner, false)
	equal(t, "term", status.RaftTerm, status.Header.RaftTerm)
	equal(t, "errors", len(status.Errors), 0)
	if status.Version == "" || status.DbSize <= 0 || status.DbSizeInUse <= 0 || status.RaftIndex == 0 || status.RaftAppliedIndex == 0 {
		t.Errorf("a field without a value: %v", status)
	}
}

func TestMembersAndTheirEndpoints(t *testing.T) {
	s := newSpace(t)
	members, err := s.MemberList(s.ctx)
	must(t, err)
	equal(t, "members", len(members.Members), 1)
	member := members.Members[0]
	equal(t, "id", member.ID, members.Header.MemberId)
	if member.Name == "" || len(member.PeerURLs) == 0 {
		t.Errorf("a field without a value: %v", member)
	}
	serializable, err := s.MemberList(s.ctx, clientv3.WithSerializable())
	must(t, err)
	equal(t, "serializable", serializable.Members[0].String(), member.String())

	must(t, s.Sync(s.ctx))
	equal(t, "endpoints after a sync", fmt.Sprint(s.Endpoints()), fmt.Sprint(member.ClientURLs))
	s.put("k", "reached at the advertised address")
}

func TestNoAlarms(t *testing.T) {
	s := newSpace(t)
	reply, err := s.AlarmList(s.ctx)
	must(t, err)
	equal(t, "alarms", len(reply.Alarms), 0)
}

func TestConnectionOptions(t *testing.T) {
	s := newSpace(t)
	client := connect(t, func(c *clientv3.Config) {
		c.DialKeepAliveTime = 10 * time.Second
		c.DialKeepAliveTimeout = 3 * time.Second
		c.PermitWithoutStream = true
		c.AutoSyncInterval = 20 * time.Millisecond
	})
	for range 20 {
		must(t, ignore(client.Put(s.ctx, s.key("k"), "v")))
		must(t, ignore(client.Get(clientv3.WithRequireLeader(s.ctx), s.key("k"))))
	}
}

func TestIsNotAnOldCluster(t *testing.T) {
	s := newSpace(t)
	status, err := s.Status(s.ctx, endpoint(t))
	must(t, err)
	if strings.HasPrefix(status.Version, "3.5.") {
		t.Skip("a server that the client rightly calls old")
	}
	connect(t, func(c *clientv3.Config) { c.RejectOldCluster = true })
}

func TestCancelledCallsLeaveTheConnectionUsable(t *testing.T) {
	const callers, each = 20, 100
	s := newSpace(t)
	s.put("large", strings.Repeat("x", 1<<20))
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for i := range each {
				// From "before it is sent" to "it has long been answered".
				ctx, cancel := context.WithTimeout(s.ctx, time.Duration(i*50)*time.Microsecond)
				_, _ = s.Put(ctx, s.key(fmt.Sprintf("small/%02d", c)), "v")
				_, _ = s.Get(ctx, s.key("large"))
				cancel()
			}
		})
	}
	group.Wait()

	must(t, ignore(s.Put(s.ctx, s.key("small/last"), "v")))
	equal(t, "bytes of a reply", len(s.get("large").Kvs[0].Value), 1<<20)
}

func TestCompressedRequests(t *testing.T) {
	s := newSpace(t)
	compressed := connect(t, func(c *clientv3.Config) {
		c.DialOptions = []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name))}
	})
	value := strings.Repeat("compressible ", 1000)

	must(t, ignore(compressed.Put(s.ctx, s.key("k"), value)))

	reply, err := compressed.Get(s.ctx, s.key("k"))
	must(t, err)
	equal(t, "value", string(reply.Kvs[0].Value), value)
}

// TestReconnection prints "restart the server", waits for a line on standard
// input, and expects the same client to find what it wrote before.
func TestReconnection(t *testing.T) {
	if os.Getenv("ETCD_RESTARTS") == "" {
		t.Skip("ETCD_RESTARTS is not set: nobody would restart the server")
	}
	s := newSpace(t)
	before := s.put("k", "before").Header
	fmt.Println("restart the server")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	must(t, err)

	reply := s.get("k")
	equal(t, "kept", s.show(reply.Kvs), "k=before")
	equal(t, "revision", reply.Header.Revision, before.Revision)
	equal(t, "member", reply.Header.MemberId, before.MemberId)
	if reply.Header.RaftTerm <= before.RaftTerm {
		t.Errorf("the term did not grow: %d, then %d", before.RaftTerm, reply.Header.RaftTerm)
	}
	equal(t, "next revision", s.put("k", "after").Header.Revision, before.Revision+1)
}
