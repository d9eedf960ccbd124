package interop

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/clientv3util"
)

func TestTxnTakesOneBranch(t *testing.T) {
	s := newSpace(t)
	r := s.abc()

	yes := s.commit(s.Txn(s.ctx).
		If(clientv3.Compare(clientv3.Value(s.key("a")), "=", "9")).
		Then(clientv3.OpPut(s.key("d"), "4", clientv3.WithPrevKV()), clientv3.OpGet(s.key("d"))).
		Else(clientv3.OpDelete(s.prefix, clientv3.WithPrefix())))
	equal(t, "succeeded", yes.Succeeded, true)
	equal(t, "revision", yes.Header.Revision, r+5)
	equal(t, "get in the txn", s.show(yes.Responses[1].GetResponseRange().Kvs), "d=4")

	no := s.commit(s.Txn(s.ctx).
		If(clientv3.Compare(clientv3.Value(s.key("a")), "=", "1")).
		Then(clientv3.OpPut(s.key("d"), "5")).
		Else(clientv3.OpDelete(s.key("d"), clientv3.WithPrevKV())))
	equal(t, "succeeded", no.Succeeded, false)
	equal(t, "deleted", s.show(no.Responses[0].GetResponseDeleteRange().PrevKvs), "d=4")

	empty := s.commit(s.Txn(s.ctx))
	equal(t, "an empty txn succeeds", empty.Succeeded, true)
	equal(t, "and changes nothing", empty.Header.Revision, r+6)
	equal(t, "nor answers anything", len(empty.Responses), 0)
}

func TestTxnCompares(t *testing.T) {
	s := newSpace(t)
	r := s.abc()
	a, missing := s.key("a"), s.key("missing")
	ranged := func(cmp clientv3.Cmp) clientv3.Cmp { return cmp.WithPrefix() }

	for _, c := range []struct {
		name string
		cmp  clientv3.Cmp
		want bool
	}{
		{"value =", clientv3.Compare(clientv3.Value(a), "=", "9"), true},
		{"value !=", clientv3.Compare(clientv3.Value(a), "!=", "9"), false},
		{"value <", clientv3.Compare(clientv3.Value(a), "<", "91"), true},
		{"value >", clientv3.Compare(clientv3.Value(a), ">", "89"), true},
		{"version =", clientv3.Compare(clientv3.Version(a), "=", 2), true},
		{"version !=", clientv3.Compare(clientv3.Version(a), "!=", 2), false},
		{"version <", clientv3.Compare(clientv3.Version(a), "<", 2), false},
		{"version >", clientv3.Compare(clientv3.Version(a), ">", 1), true},
		{"create =", clientv3.Compare(clientv3.CreateRevision(a), "=", r+1), true},
		{"create >", clientv3.Compare(clientv3.CreateRevision(a), ">", r+1), false},
		{"mod =", clientv3.Compare(clientv3.ModRevision(a), "=", r+4), true},
		{"mod <", clientv3.Compare(clientv3.ModRevision(a), "<", r+4), false},
		{"lease =", clientv3.Compare(clientv3.LeaseValue(a), "=", 0), true},
		{"lease >", clientv3.Compare(clientv3.LeaseValue(a), ">", 0), false},
		{"exists", clientv3util.KeyExists(a), true},
		{"exists, not there", clientv3util.KeyExists(missing), false},
		{"missing", clientv3util.KeyMissing(a), false},
		{"missing, not there", clientv3util.KeyMissing(missing), true},
		{"value of nothing =", clientv3.Compare(clientv3.Value(missing), "=", ""), false},
		{"value of nothing !=", clientv3.Compare(clientv3.Value(missing), "!=", "x"), false},
		{"mod of nothing =", clientv3.Compare(clientv3.ModRevision(missing), "=", 0), true},
		{"all versions >", ranged(clientv3.Compare(clientv3.Version(s.prefix), ">", 0)), true},
		{"all versions =", ranged(clientv3.Compare(clientv3.Version(s.prefix), "=", 1)), false},
		{"all of nothing", ranged(clientv3.Compare(clientv3.Version(missing), "=", 0)), true},
		{"up to b", clientv3.Compare(clientv3.CreateRevision(a), "<", r+3).WithRange(s.key("c")), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply, err := s.Txn(s.ctx).If(c.cmp).Commit()
			must(t, err)
			equal(t, "succeeded", reply.Succeeded, c.want)
		})
	}

	both := s.commit(s.Txn(s.ctx).If(clientv3util.KeyExists(a), clientv3util.KeyExists(missing)))
	equal(t, "every compare must hold", both.Succeeded, false)
}

func TestTxnNests(t *testing.T) {
	s := newSpace(t)
	r := s.abc()
	inner := clientv3.OpTxn(
		[]clientv3.Cmp{clientv3util.KeyExists(s.key("new"))},
		[]clientv3.Op{clientv3.OpPut(s.key("saw"), "the write before it")},
		[]clientv3.Op{
			clientv3.OpPut(s.key("saw"), "the store before the txn"),
			clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(s.key("new"))}, nil),
		},
	)
	reply := s.commit(s.Txn(s.ctx).Then(clientv3.OpPut(s.key("new"), "1"), inner))

	equal(t, "one revision for all of it", reply.Header.Revision, r+5)
	nested := reply.Responses[1].GetResponseTxn()
	equal(t, "inner branch", nested.Succeeded, false)
	equal(t, "written", s.show(s.get("saw").Kvs), "saw=the store before the txn")
	innermost := nested.Responses[1].GetResponseTxn()
	equal(t, "read inside", s.show(innermost.Responses[0].GetResponseRange().Kvs), "new=1")
	equal(t, "mod revision", s.get("new").Kvs[0].ModRevision, s.get("saw").Kvs[0].ModRevision)
}

func TestTxnOperationsSeeEarlierOnes(t *testing.T) {
	s := newSpace(t)
	r := s.abc()
	reply := s.commit(s.Txn(s.ctx).Then(
		clientv3.OpGet(s.key("d")),
		clientv3.OpPut(s.key("d"), "4"),
		clientv3.OpGet(s.key("d")),
		clientv3.OpDelete(s.key("b")),
		clientv3.OpDelete(s.key("zz")),
		clientv3.OpGet(s.prefix, clientv3.WithPrefix()),
	))
	equal(t, "before", reply.Responses[0].GetResponseRange().Header.Revision, r+4)
	equal(t, "put", reply.Responses[1].GetResponsePut().Header.Revision, r+5)
	equal(t, "after", reply.Responses[2].GetResponseRange().Header.Revision, r+5)
	equal(t, "nothing deleted", reply.Responses[4].GetResponseDeleteRange().Deleted, 0)
	equal(t, "at the end", s.show(reply.Responses[5].GetResponseRange().Kvs), "a=9 c=3 d=4")
	equal(t, "revision", reply.Header.Revision, r+5)
}

func TestDoRunsEveryKindOfOperation(t *testing.T) {
	s := newSpace(t)
	put, err := s.Do(s.ctx, clientv3.OpPut(s.key("k"), "v"))
	must(t, err)
	get, err := s.Do(s.ctx, clientv3.OpGet(s.key("k")))
	must(t, err)
	txn, err := s.Do(s.ctx, clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut(s.key("k"), "w")}, nil))
	must(t, err)
	del, err := s.Do(s.ctx, clientv3.OpDelete(s.key("k"), clientv3.WithPrevKV()))
	must(t, err)

	equal(t, "get", get.Get().Header.Revision, put.Put().Header.Revision)
	equal(t, "txn", txn.Txn().Header.Revision, put.Put().Header.Revision+1)
	equal(t, "delete", s.show(del.Del().PrevKvs), "k=w")
}
