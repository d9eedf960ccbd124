package interop

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ttl is how long the server's tokens live without being used.
func ttl() time.Duration {
	seconds, _ := strconv.Atoi(os.Getenv("ETCD_TOKEN_TTL"))
	return time.Duration(seconds) * time.Second
}

// wait outlives every token that is not used.
func (h *house) wait() { time.Sleep(ttl() + 2500*time.Millisecond) }

func TestTokenEndsUnderAWatch(t *testing.T) {
	h := newHouse(t)
	watch := h.watching()
	h.wait()
	h.write("k", "1")
	h.told("past the end of the token", watch, "+k=1")
	equal(t, "with a new token", h.show(h.get("k").Kvs), "k=1")
	h.put("k", "2")
	h.told("and on", watch, "~k=2")
}

func TestTokensEndUnderTraffic(t *testing.T) {
	h := newHouse(t)
	end := time.Now().Add(2*ttl() + time.Second)
	var group sync.WaitGroup
	for worker := range 3 {
		group.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				key, value := h.key(fmt.Sprint(worker)), fmt.Sprint(i)
				if _, err := h.Put(h.ctx, key, value); err != nil {
					t.Errorf("put %d: %v", i, err)
					return
				}
				reply, err := h.Get(h.ctx, key)
				if err != nil || string(reply.Kvs[0].Value) != value {
					t.Errorf("get %d: %v, %v", i, reply, err)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	group.Wait()
}

func TestLeaseIsKeptAlivePastItsToken(t *testing.T) {
	h := newHouse(t)
	lease := h.grant(10)
	h.put("leased", "v", clientv3.WithLease(lease))
	replies, err := h.KeepAlive(h.ctx, lease)
	must(t, err)
	for end := time.Now().Add(ttl() + 5*time.Second); time.Now().Before(end); {
		reply, open := <-replies
		if !open {
			t.Fatal("the client has given its lease up")
		}
		equal(t, "time to live", reply.TTL, 10)
	}
	equal(t, "kept", h.show(h.get("leased").Kvs), "leased=v")
}
