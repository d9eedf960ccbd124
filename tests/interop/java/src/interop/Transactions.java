package interop;

import static interop.Space.bytes;

import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.kv.TxnResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.PutOption;

final class Transactions {
    private Transactions() {
    }

    private static Op put(Space s, String name, String value) {
        return Op.put(s.key(name), bytes(value), PutOption.DEFAULT);
    }

    private static Op get(Space s, String name) {
        return Op.get(s.key(name), GetOption.DEFAULT);
    }

    private static boolean holds(Space s, String name, Cmp.Op op, CmpTarget<?> target) throws Exception {
        return Expect.answer(s.kv.txn().If(new Cmp(s.key(name), op, target)).commit()).isSucceeded();
    }

    @Promise
    static void oneBranchRuns(Space s) throws Exception {
        s.put("a", "1");
        Cmp isOne = new Cmp(s.key("a"), Cmp.Op.EQUAL, CmpTarget.value(bytes("1")));
        for (String want : new String[] {"then", "else"}) {
            TxnResponse done = Expect.answer(
                s.kv.txn().If(isOne).Then(put(s, "a", "then"), get(s, "a")).Else(put(s, "a", "else"), get(s, "a")).commit());
            Expect.equal("succeeded", done.isSucceeded(), want.equals("then"));
            Expect.equal("puts", done.getPutResponses().size(), 1);
            Expect.equal("read after the put", s.show(done.getGetResponses().get(0).getKvs()), "a=" + want);
            Expect.equal("stays", s.show(s.get("a").getKvs()), "a=" + want);
        }
    }

    @Promise
    static void comparesWhatAKeyHas(Space s) throws Exception {
        long before = s.abc();
        Cmp.Op equal = Cmp.Op.EQUAL;
        Cmp.Op unequal = Cmp.Op.NOT_EQUAL;
        Cmp.Op greater = Cmp.Op.GREATER;
        Cmp.Op less = Cmp.Op.LESS;
        Expect.equal("version =", holds(s, "a", equal, CmpTarget.version(2)), true);
        Expect.equal("version >", holds(s, "a", greater, CmpTarget.version(2)), false);
        Expect.equal("created <", holds(s, "a", less, CmpTarget.createRevision(before + 2)), true);
        Expect.equal("created !=", holds(s, "a", unequal, CmpTarget.createRevision(before + 1)), false);
        Expect.equal("changed >", holds(s, "a", greater, CmpTarget.modRevision(before + 3)), true);
        Expect.equal("changed <", holds(s, "a", less, CmpTarget.modRevision(before + 4)), false);
        Expect.equal("value <", holds(s, "a", less, CmpTarget.value(bytes("91"))), true);
        Expect.equal("value !=", holds(s, "a", unequal, CmpTarget.value(bytes("9"))), false);
        Expect.equal("no version", holds(s, "none", equal, CmpTarget.version(0)), true);
        Expect.equal("not created", holds(s, "none", equal, CmpTarget.createRevision(0)), true);
        Expect.equal("a value that is not there", holds(s, "none", unequal, CmpTarget.value(bytes("x"))), false);
    }

    @Promise
    static void allComparesHaveToHold(Space s) throws Exception {
        s.abc();
        Cmp holds = new Cmp(s.key("a"), Cmp.Op.EQUAL, CmpTarget.version(2));
        Cmp fails = new Cmp(s.key("b"), Cmp.Op.EQUAL, CmpTarget.version(2));
        Expect.equal("both", Expect.answer(s.kv.txn().If(holds, holds).commit()).isSucceeded(), true);
        Expect.equal("one", Expect.answer(s.kv.txn().If(holds, fails).commit()).isSucceeded(), false);
        Expect.equal("none", Expect.answer(s.kv.txn().commit()).isSucceeded(), true);
    }

    @Promise
    static void hasOneRevision(Space s) throws Exception {
        long before = s.abc();
        Op deletion = Op.delete(s.key("c"), DeleteOption.builder().withPrevKV(true).build());
        TxnResponse done = Expect.answer(s.kv.txn().Then(put(s, "a", "x"), put(s, "b", "y"), deletion).commit());
        Expect.equal("revision", done.getHeader().getRevision(), before + 5);
        Expect.equal("of a", s.only("a").getModRevision(), before + 5);
        Expect.equal("of b", s.only("b").getModRevision(), before + 5);
        Expect.equal("deleted", s.show(done.getDeleteResponses().get(0).getPrevKvs()), "c=3");
        TxnResponse read = Expect.answer(s.kv.txn().Then(get(s, "a")).commit());
        Expect.equal("after reading", read.getHeader().getRevision(), before + 5);
    }

    @Promise
    static void nest(Space s) throws Exception {
        s.abc();
        Cmp isNine = new Cmp(s.key("a"), Cmp.Op.EQUAL, CmpTarget.value(bytes("9")));
        Cmp isNew = new Cmp(s.key("b"), Cmp.Op.EQUAL, CmpTarget.version(0));
        Op inner = Op.txn(new Cmp[] {isNew}, new Op[] {put(s, "b", "then")}, new Op[] {put(s, "b", "else"), get(s, "b")});
        TxnResponse done = Expect.answer(s.kv.txn().If(isNine).Then(inner, put(s, "a", "10")).commit());
        TxnResponse nested = done.getTxnResponses().get(0);
        Expect.equal("outer", done.isSucceeded(), true);
        Expect.equal("inner", nested.isSucceeded(), false);
        Expect.equal("read inside", s.show(nested.getGetResponses().get(0).getKvs()), "b=else");
        Expect.equal("one revision", s.only("a").getModRevision(), s.only("b").getModRevision());
    }

    @Promise
    static void putsAKeyOnce(Space s) throws Exception {
        Expect.error(s.kv.txn().Then(put(s, "a", "1"), put(s, "a", "2")).commit(), ErrorCode.INVALID_ARGUMENT,
            "etcdserver: duplicate key given in txn request");
        Expect.equal("nothing is written", s.get("a").getCount(), 0L);
    }

    @Promise
    static void countUpTogether(Space s) throws Exception {
        s.put("n", "0");
        Thread[] threads = new Thread[4];
        for (int t = 0; t < threads.length; t++) {
            threads[t] = new Thread(() -> {
                for (int done = 0; done < 25;) {
                    done += increase(s) ? 1 : 0;
                }
            });
            threads[t].setDaemon(true);
            threads[t].start();
        }
        for (Thread thread : threads) {
            thread.join(40_000);
        }
        Expect.equal("counted", s.show(s.get("n").getKvs()), "n=100");
    }

    private static boolean increase(Space s) {
        try {
            var found = s.only("n");
            int next = Integer.parseInt(Space.text(found.getValue())) + 1;
            Cmp unchanged = new Cmp(s.key("n"), Cmp.Op.EQUAL, CmpTarget.modRevision(found.getModRevision()));
            return Expect.answer(s.kv.txn().If(unchanged).Then(put(s, "n", String.valueOf(next))).commit()).isSucceeded();
        } catch (Exception failed) {
            throw new AssertionError(failed);
        }
    }
}
