package interop;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Response;
import io.etcd.jetcd.lock.LockResponse;
import io.etcd.jetcd.options.WatchOption;

import java.util.concurrent.CompletableFuture;

/** What outlives the server, each with a server of its own: killed or ended, and started again. */
final class Restarts {
    private Restarts() {
    }

    /** Waits until the client reaches the server again. */
    private static void reach(Space s) throws Exception {
        Expect.eventually("the server is back", () -> {
            try {
                s.get("none");
                return true;
            } catch (Exception unreachable) {
                return false;
            }
        });
    }

    @Promise
    static void watchMissesNothingOfAKilledServer(Space s) throws Exception {
        Events events = Events.fromNowOn(s, "", WatchOption.builder().isPrefix(true));
        s.put("a", "1");
        events.expect("+a=1");
        s.put("a", "2");
        Session.askTo("kill");
        reach(s);
        // The watch comes back in its own time: these may be history by then.
        s.put("b", "1");
        s.put("a", "3");
        s.delete("b");
        events.expect("~a=2 +b=1 ~a=3 -b");
        s.put("c", "1");
        events.expect("+c=1");
    }

    @Promise
    static void whatWasAnsweredIsKeptByAKilledServer(Space s) throws Exception {
        Response.Header before = s.put("a", "1").getHeader();
        Session.askTo("kill");
        reach(s);
        Response.Header after = s.get("a").getHeader();
        Expect.equal("kept", s.show(s.get("a").getKvs()), "a=1");
        Expect.equal("revision", after.getRevision(), before.getRevision());
        Expect.equal("cluster", after.getClusterId(), before.getClusterId());
        Expect.equal("member", after.getMemberId(), before.getMemberId());
        Expect.that("a later term", after.getRaftTerm() > before.getRaftTerm());
        Expect.equal("next revision", s.put("a", "2").getHeader().getRevision(), before.getRevision() + 1);
    }

    @Promise
    static void leaseOutlivesAShortRestart(Space s) throws Exception {
        long lease = s.grant(60);
        s.put("a", "1", s.attachedTo(lease));
        Session.askTo("restart");
        reach(s);
        Expect.equal("granted", Leases.look(s, lease).getGrantedTTL(), 60L);
        Expect.equal("lease of the key", s.only("a").getLease(), lease);
        Expect.equal("is kept alive", Expect.answer(s.client.getLeaseClient().keepAliveOnce(lease)).getTTL(), 60L);
        Expect.answer(s.client.getLeaseClient().revoke(lease));
        Expect.equal("revoked", s.get("a").getCount(), 0L);
    }

    @Promise
    static void lockOutlivesAShortRestart(Space s) throws Exception {
        long lease = s.grant(60);
        ByteSequence key = Expect.answer(s.client.getLockClient().lock(s.key("lock"), lease)).getKey();
        Session.askTo("restart");
        reach(s);
        CompletableFuture<LockResponse> second = Locks.queue(s, s.grant(60));
        Expect.equal("is held", second.isDone(), false);
        Expect.answer(s.client.getLockClient().unlock(key));
        Expect.answer(second);
    }
}
