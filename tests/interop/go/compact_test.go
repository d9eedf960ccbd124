package interop

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestCompactKeepsWhatIsStillVisible(t *testing.T) {
	for _, mode := range []struct {
		name    string
		options []clientv3.CompactOption
	}{
		{"background", nil},
		{"physical", []clientv3.CompactOption{clientv3.WithCompactPhysical()}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			s := newSpace(t)
			r := s.abc()
			s.delete("c")

			reply, err := s.Compact(s.ctx, r+4, mode.options...)
			must(t, err)
			equal(t, "header revision", reply.Header.Revision, r+5)

			at := s.get("", clientv3.WithPrefix(), clientv3.WithRev(r+4))
			equal(t, "at the compaction", s.show(at.Kvs), "a=9 b=2 c=3")
			now := s.get("", clientv3.WithPrefix())
			equal(t, "now", s.show(now.Kvs), "a=9 b=2")
			equal(t, "version survives", now.Kvs[0].Version, 2)
			equal(t, "create revision survives", now.Kvs[0].CreateRevision, r+1)
			_, err = s.Get(s.ctx, s.key("a"), clientv3.WithRev(r+3))
			if !errors.Is(err, rpctypes.ErrCompacted) {
				t.Errorf("below the compaction: got %v, want %v", err, rpctypes.ErrCompacted)
			}
		})
	}
}
