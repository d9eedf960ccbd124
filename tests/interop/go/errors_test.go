package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestErrorsAreTheOnesClientsCompareWith(t *testing.T) {
	s := newSpace(t)
	r := s.abc()
	must(t, ignore(s.Compact(s.ctx, r+3)))

	puts := func(n int) []clientv3.Op {
		ops := make([]clientv3.Op, n)
		for i := range ops {
			ops[i] = clientv3.OpPut(s.key(fmt.Sprint(i)), "v")
		}
		return ops
	}
	get := func(key string, options ...clientv3.OpOption) error { return ignore(s.Get(s.ctx, key, options...)) }
	put := func(key, value string, options ...clientv3.OpOption) error {
		return ignore(s.Put(s.ctx, key, value, options...))
	}
	then := func(ops ...clientv3.Op) error { return ignore(s.Txn(s.ctx).Then(ops...).Commit()) }
	a := s.key("a")

	for _, c := range []struct {
		call string
		err  error
		want error
	}{
		{"get below the compaction", get(a, clientv3.WithRev(r+2)), rpctypes.ErrCompacted},
		{"get at the compaction", get(a, clientv3.WithRev(r+3)), nil},
		{"get in the future", get(a, clientv3.WithRev(r+1000)), rpctypes.ErrFutureRev},
		{"get without a key", get(""), rpctypes.ErrEmptyKey},
		{"put without a key", put("", "v"), rpctypes.ErrEmptyKey},
		{"delete without a key", ignore(s.Client.Delete(s.ctx, "")), rpctypes.ErrEmptyKey},
		{"ignore the value of nothing", put(s.key("nothing"), "", clientv3.WithIgnoreValue()), rpctypes.ErrKeyNotFound},
		{"ignore the lease of nothing", put(s.key("nothing"), "v", clientv3.WithIgnoreLease()), rpctypes.ErrKeyNotFound},
		{"ignore a value that is given", put(a, "v", clientv3.WithIgnoreValue()), rpctypes.ErrValueProvided},
		{"ignore a lease that is given", put(a, "v", clientv3.WithIgnoreLease(), clientv3.WithLease(7)), rpctypes.ErrLeaseProvided},
		{"put with an unknown lease", put(a, "v", clientv3.WithLease(0x7001)), rpctypes.ErrLeaseNotFound},
		{"compact again", ignore(s.Compact(s.ctx, r+3)), rpctypes.ErrCompacted},
		{"compact the future", ignore(s.Compact(s.ctx, r+1000)), rpctypes.ErrFutureRev},
		{"put too much", put(a, strings.Repeat("x", 1600*1024)), rpctypes.ErrRequestTooLarge},
		{"txn of 128 operations", then(puts(128)...), nil},
		{"txn of 129 operations", then(puts(129)...), rpctypes.ErrTooManyOps},
		{"txn that puts a key twice", then(clientv3.OpPut(a, "1"), clientv3.OpPut(a, "2")), rpctypes.ErrDuplicateKey},
		{"txn that puts and deletes a key", then(clientv3.OpDelete(s.prefix, clientv3.WithPrefix()), clientv3.OpPut(a, "2")), rpctypes.ErrDuplicateKey},
		{"txn without a key", then(clientv3.OpPut("", "1")), rpctypes.ErrEmptyKey},
		{"txn that reads a compacted revision", then(clientv3.OpGet(a, clientv3.WithRev(r+2))), rpctypes.ErrCompacted},
		{"txn that reads the future", then(clientv3.OpPut(s.key("half"), "1"), clientv3.OpGet(a, clientv3.WithRev(r+1000))), rpctypes.ErrFutureRev},
		{"txn that compares without a key", ignore(s.Txn(s.ctx).If(clientv3.Compare(clientv3.Version(""), "=", 0)).Commit()), rpctypes.ErrEmptyKey},
	} {
		t.Run(c.call, func(t *testing.T) {
			if !errors.Is(c.err, c.want) {
				t.Errorf("got %v, want %v", c.err, c.want)
			}
		})
	}
	equal(t, "keys of the txn that failed half way", s.get("half").Count, 0)
}

func ignore[T any](_ T, err error) error { return err }

func TestAMessageBeyondTheTransportLimit(t *testing.T) {
	s := newSpace(t)
	roomy := connect(t, func(c *clientv3.Config) { c.MaxCallSendMsgSize = 8 << 20 })

	_, err := roomy.Put(s.ctx, s.key("k"), strings.Repeat("x", 3<<20))

	equal(t, "code", status.Code(err), codes.ResourceExhausted)
	if want := "grpc: received message larger than max (3145"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
	must(t, ignore(roomy.Put(s.ctx, s.key("k"), "the connection goes on")))
}
