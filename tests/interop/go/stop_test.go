package interop

import (
	"bufio"
	"fmt"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestLeaseAndWatchOutliveAStop prints "restart the server", waits for a line
// on standard input, and expects that the same client still keeps its lease
// alive and that its watch has missed nothing.
func TestLeaseAndWatchOutliveAStop(t *testing.T) {
	if os.Getenv("ETCD_RESTARTS") == "" {
		t.Skip("ETCD_RESTARTS is not set: nobody would restart the server")
	}
	s := newSpace(t)
	const ttl = 8
	lease := s.grant(ttl)
	s.put("leased", "v", clientv3.WithLease(lease))
	replies, err := s.KeepAlive(s.ctx, lease)
	must(t, err)
	<-replies
	watch := s.Watch(s.ctx, s.key("n"), clientv3.WithCreatedNotify())
	<-watch
	s.put("n", "1")
	s.put("n", "2")
	fmt.Println("restart the server")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	must(t, err)
	back := time.Now()
	// Another client writes, perhaps before this one is back.
	other := &space{Client: connect(t), t: t, ctx: s.ctx, prefix: s.prefix}
	other.put("n", "3")
	other.put("n", "4")
	s.told("all of it", watch, "+n=1 ~n=2 ~n=3 ~n=4")

	// As long as the lease would have lived, had nobody kept it alive.
	for time.Since(back) < (ttl+2)*time.Second {
		select {
		case reply, open := <-replies:
			if !open {
				t.Fatal("the client has given its lease up")
			}
			equal(t, "time to live", reply.TTL, ttl)
		case <-s.ctx.Done():
			t.Fatal(s.ctx.Err())
		}
	}
	equal(t, "the leased key", s.show(s.get("leased").Kvs), "leased=v")
}
