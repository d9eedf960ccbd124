package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestGetOptions(t *testing.T) {
	s := newSpace(t)
	r := s.abc()
	prefix := clientv3.WithPrefix()

	for _, c := range []struct {
		call    string
		key     string
		options []clientv3.OpOption
		kvs     string
		count   int64
		more    bool
	}{
		{"one key", "a", nil, "a=9", 1, false},
		{"a key that is not there", "x", nil, "", 0, false},
		{"serializable", "a", opts(clientv3.WithSerializable()), "a=9", 1, false},
		{"prefix", "", opts(prefix), "a=9 b=2 c=3", 3, false},
		{"range", "a", opts(clientv3.WithRange(s.key("c"))), "a=9 b=2", 2, false},
		{"inverted range", "c", opts(clientv3.WithRange(s.key("a"))), "", 0, false},
		{"limit", "", opts(prefix, clientv3.WithLimit(2)), "a=9 b=2", 3, true},
		{"limit that just fits", "", opts(prefix, clientv3.WithLimit(3)), "a=9 b=2 c=3", 3, false},
		{"old revision", "a", opts(clientv3.WithRev(r + 1)), "a=1", 1, false},
		{"old revision of a prefix", "", opts(prefix, clientv3.WithRev(r+2)), "a=1 b=2", 2, false},
		{"before the first revision", "", opts(prefix, clientv3.WithRev(r)), "", 0, false},
		{"keys only", "", opts(prefix, clientv3.WithKeysOnly()), "a= b= c=", 3, false},
		{"count only", "", opts(prefix, clientv3.WithCountOnly()), "", 3, false},
		{"count only at a revision", "", opts(prefix, clientv3.WithCountOnly(), clientv3.WithRev(r+2)), "", 2, false},
		{"count only with a limit", "", opts(prefix, clientv3.WithCountOnly(), clientv3.WithLimit(1)), "", 3, false},
		{"min mod revision", "", opts(prefix, clientv3.WithMinModRev(r+3)), "a=9 c=3", 3, false},
		{"max mod revision", "", opts(prefix, clientv3.WithMaxModRev(r+3)), "b=2 c=3", 3, false},
		{"min create revision", "", opts(prefix, clientv3.WithMinCreateRev(r+2)), "b=2 c=3", 3, false},
		{"max create revision", "", opts(prefix, clientv3.WithMaxCreateRev(r+2)), "a=9 b=2", 3, false},
		{"filter, then limit", "", opts(prefix, clientv3.WithMinModRev(r+3), clientv3.WithLimit(1)), "a=9", 3, true},
		{"key, descending", "", opts(prefix, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend)), "c=3 b=2 a=9", 3, false},
		{"version", "", opts(prefix, clientv3.WithSort(clientv3.SortByVersion, clientv3.SortAscend)), "b=2 c=3 a=9", 3, false},
		{"create revision, descending", "", opts(prefix, clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortDescend)), "c=3 b=2 a=9", 3, false},
		{"mod revision", "", opts(prefix, clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortAscend)), "b=2 c=3 a=9", 3, false},
		{"value, descending", "", opts(prefix, clientv3.WithSort(clientv3.SortByValue, clientv3.SortDescend)), "a=9 c=3 b=2", 3, false},
		{"keys sorted by value", "", opts(prefix, clientv3.WithKeysOnly(), clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend)), "b= c= a=", 3, false},
		{"first created", "", clientv3.WithFirstCreate(), "a=9", 3, true},
		{"last created", "", clientv3.WithLastCreate(), "c=3", 3, true},
		{"first key", "", clientv3.WithFirstKey(), "a=9", 3, true},
		{"last key", "", clientv3.WithLastKey(), "c=3", 3, true},
		{"first changed", "", clientv3.WithFirstRev(), "b=2", 3, true},
		{"last changed", "", clientv3.WithLastRev(), "a=9", 3, true},
	} {
		t.Run(c.call, func(t *testing.T) {
			reply, err := s.Get(s.ctx, s.key(c.key), c.options...)
			must(t, err)
			equal(t, "key-values", s.show(reply.Kvs), c.kvs)
			equal(t, "count", reply.Count, c.count)
			equal(t, "more", reply.More, c.more)
			equal(t, "header revision", reply.Header.Revision, r+4)
		})
	}
}

func opts(options ...clientv3.OpOption) []clientv3.OpOption { return options }

func TestGetFromKeyReadsToTheEndOfTheStore(t *testing.T) {
	s := newSpace(t)
	s.abc()
	top, err := s.Put(s.ctx, "\xff\xff"+t.Name(), "top")
	must(t, err)
	t.Cleanup(func() { _, _ = s.Client.Delete(s.ctx, "\xff\xff"+t.Name()) })

	reply := s.get("b", clientv3.WithFromKey())
	equal(t, "first two", s.show(reply.Kvs[:2]), "b=2 c=3")
	equal(t, "last value", string(reply.Kvs[len(reply.Kvs)-1].Value), "top")

	whole, err := s.Get(s.ctx, "", clientv3.WithFromKey())
	must(t, err)
	prefix, err := s.Get(s.ctx, "", clientv3.WithPrefix())
	must(t, err)
	equal(t, "the whole store, both ways", len(whole.Kvs), len(prefix.Kvs))

	beyond, err := s.Get(s.ctx, "\xff\xff", clientv3.WithPrefix())
	must(t, err)
	equal(t, "a prefix without successor", len(beyond.Kvs), 1)
	equal(t, "its revision", beyond.Kvs[0].ModRevision, top.Header.Revision)
}

func TestKeysAndValuesAreBytes(t *testing.T) {
	s := newSpace(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	s.put(string(every), string(every))
	s.put("empty", "")

	equal(t, "value", string(s.get(string(every)).Kvs[0].Value), string(every))
	equal(t, "empty value", s.show(s.get("empty").Kvs), "empty=")
}

func TestPagesAtOneRevisionSeeOneStore(t *testing.T) {
	const keys, limit = 250, 40
	s := newSpace(t)
	for i := range keys {
		s.put(fmt.Sprintf("%03d", i), "v")
	}
	end := clientv3.WithRange(clientv3.GetPrefixRangeEnd(s.prefix))

	first := s.get("", end, clientv3.WithLimit(limit))
	s.delete("100")
	s.put("2000", "late")
	seen, page := len(first.Kvs), first
	for page.More {
		last := string(page.Kvs[len(page.Kvs)-1].Key)
		equal(t, "count", page.Count, int64(keys-seen+len(page.Kvs)))
		var err error
		page, err = s.Get(s.ctx, last+"\x00", end, clientv3.WithLimit(limit), clientv3.WithRev(first.Header.Revision))
		must(t, err)
		seen += len(page.Kvs)
	}
	equal(t, "keys seen", seen, keys)
}

func TestALargeReplyArrivesWhole(t *testing.T) {
	const values, size = 24, 1 << 20
	s := newSpace(t)
	for i := range values {
		s.put(fmt.Sprintf("%02d", i), strings.Repeat(string(rune('a'+i)), size))
	}
	reply := s.get("", clientv3.WithPrefix())
	equal(t, "count", len(reply.Kvs), values)
	for i, kv := range reply.Kvs {
		if string(kv.Value) != strings.Repeat(string(rune('a'+i)), size) {
			t.Errorf("value %d is not what was put", i)
		}
	}
	s.delete("", clientv3.WithPrefix())
}

func TestGetStreamAnswersAsGetDoes(t *testing.T) {
	s := newSpace(t)
	for i := range 90 {
		s.put(fmt.Sprintf("%02d", i), fmt.Sprint(i))
	}
	for _, options := range [][]clientv3.OpOption{
		opts(clientv3.WithPrefix()),
		opts(clientv3.WithPrefix(), clientv3.WithLimit(33)),
		opts(clientv3.WithPrefix(), clientv3.WithKeysOnly()),
		opts(clientv3.WithPrefix(), clientv3.WithCountOnly()),
		opts(),
	} {
		stream, err := s.GetStream(s.ctx, s.prefix, options...)
		must(t, err)
		streamed, err := clientv3.GetStreamToGetResponse(stream)
		if err != nil && strings.Contains(err.Error(), "unknown method RangeStream") {
			t.Skip("the server is older than RangeStream (etcd 3.7)")
		}
		must(t, err)
		plain := s.get("", options...)
		equal(t, "key-values", s.show(streamed.Kvs), s.show(plain.Kvs))
		equal(t, "count", streamed.Count, plain.Count)
		equal(t, "more", streamed.More, plain.More)
		equal(t, "header revision", streamed.Header.Revision, plain.Header.Revision)
	}
	stream, err := s.GetStream(s.ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(1<<40))
	must(t, err)
	if _, err = clientv3.GetStreamToGetResponse(stream); !errors.Is(err, rpctypes.ErrFutureRev) {
		t.Errorf("a future revision: got %v, want %v", err, rpctypes.ErrFutureRev)
	}
}
