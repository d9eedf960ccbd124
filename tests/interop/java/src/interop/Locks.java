package interop;

import static interop.Space.text;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Lock;
import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.lock.LockResponse;
import io.etcd.jetcd.options.GetOption;

import java.util.concurrent.CompletableFuture;

final class Locks {
    private Locks() {
    }

    /** Begins to lock, and returns once that waits in the queue. */
    static CompletableFuture<LockResponse> queue(Space s, long lease) throws Exception {
        long before = waiting(s);
        CompletableFuture<LockResponse> call = s.client.getLockClient().lock(s.key("lock"), lease);
        Expect.eventually("in the queue", () -> waiting(s) > before);
        return call;
    }

    private static long waiting(Space s) {
        try {
            return s.get("lock/", GetOption.builder().isPrefix(true).build()).getCount();
        } catch (Exception failed) {
            throw new AssertionError(failed);
        }
    }

    @Promise
    static void keyIsNamedAfterTheLease(Space s) throws Exception {
        Lock locks = s.client.getLockClient();
        long lease = s.grant(60);
        ByteSequence key = Expect.answer(locks.lock(s.key("lock"), lease)).getKey();
        String name = "lock/" + Long.toHexString(lease);
        Expect.equal("key", s.name(key), name);
        Expect.equal("lease of the key", s.only(name).getLease(), lease);
        Expect.equal("value", text(s.only(name).getValue()), "");
        Expect.equal("locked again", Expect.answer(locks.lock(s.key("lock"), lease)).getKey(), key);
        Expect.answer(locks.unlock(key));
        Expect.equal("unlocked", s.get(name).getCount(), 0L);
    }

    @Promise
    static void passesInOrder(Space s) throws Exception {
        CompletableFuture<LockResponse> first = queue(s, s.grant(60));
        CompletableFuture<LockResponse> second = queue(s, s.grant(60));
        CompletableFuture<LockResponse> third = queue(s, s.grant(60));
        ByteSequence key = Expect.answer(first).getKey();
        Expect.equal("the second waits", second.isDone(), false);
        Expect.answer(s.client.getLockClient().unlock(key));
        key = Expect.answer(second).getKey();
        Expect.equal("the third waits", third.isDone(), false);
        Expect.answer(s.client.getLockClient().unlock(key));
        Expect.answer(third);
    }

    @Promise
    static void passesWhenTheLeaseEnds(Space s) throws Exception {
        long lease = s.grant(60);
        Expect.answer(queue(s, lease));
        CompletableFuture<LockResponse> second = queue(s, s.grant(60));
        Expect.answer(s.client.getLeaseClient().revoke(lease));
        Expect.answer(second);
    }

    @Promise
    static void makesALeaseWhereThereIsNone(Space s) throws Exception {
        ByteSequence key = Expect.answer(s.client.getLockClient().lock(s.key("lock"), 0)).getKey();
        long lease = s.only(s.name(key)).getLease();
        Expect.equal("seconds", Leases.look(s, lease).getGrantedTTL(), 60L);
    }

    @Promise
    static void needsALeaseThatIs(Space s) throws Exception {
        Expect.error(s.client.getLockClient().lock(s.key("lock"), 12345), ErrorCode.UNKNOWN,
            "etcdserver: requested lease not found");
    }
}
