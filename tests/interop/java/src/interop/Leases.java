package interop;

import io.etcd.jetcd.Lease;
import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.lease.LeaseGrantResponse;
import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.etcd.jetcd.lease.LeaseTimeToLiveResponse;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.support.CloseableClient;

import java.util.Set;
import java.util.TreeSet;

final class Leases {
    private Leases() {
    }

    static LeaseTimeToLiveResponse look(Space s, long lease) throws Exception {
        LeaseOption withKeys = LeaseOption.builder().withAttachedKeys().build();
        return Expect.answer(s.client.getLeaseClient().timeToLive(lease, withKeys));
    }

    @Promise
    static void grantIsTold(Space s) throws Exception {
        LeaseGrantResponse granted = Expect.answer(s.client.getLeaseClient().grant(100));
        Expect.equal("granted", granted.getTTL(), 100L);
        Expect.that("an ID of the server's choice", granted.getID() > 0);
        s.put("b", "2", s.attachedTo(granted.getID()));
        s.put("a", "1", s.attachedTo(granted.getID()));
        LeaseTimeToLiveResponse told = look(s, granted.getID());
        Expect.equal("granted, as looked up", told.getGrantedTTL(), 100L);
        Expect.that("seconds left: " + told.getTTL(), told.getTTL() > 50 && told.getTTL() <= 100);
        Set<String> keys = new TreeSet<>();
        told.getKeys().forEach(key -> keys.add(s.name(key)));
        Expect.equal("keys", keys, Set.of("a", "b"));
        LeaseTimeToLiveResponse alone = Expect.answer(s.client.getLeaseClient().timeToLive(granted.getID(), LeaseOption.DEFAULT));
        Expect.equal("keys where they are not asked for", alone.getKeys().size(), 0);
    }

    @Promise
    static void shortOnesAreMadeLonger(Space s) throws Exception {
        Expect.equal("granted", Expect.answer(s.client.getLeaseClient().grant(1)).getTTL(), 2L);
    }

    @Promise
    static void impossibleOnesAreRefused(Space s) throws Exception {
        Lease leases = s.client.getLeaseClient();
        Expect.error(leases.grant(9_000_000_001L), ErrorCode.OUT_OF_RANGE, "etcdserver: too large lease TTL");
        Expect.error(leases.revoke(12345), ErrorCode.NOT_FOUND, "etcdserver: requested lease not found");
        Expect.error(leases.keepAliveOnce(12345), ErrorCode.NOT_FOUND, "etcdserver: requested lease not found");
        Expect.equal("seconds left of none", look(s, 12345).getTTL(), -1L);
    }

    @Promise
    static void revocationTakesTheKeys(Space s) throws Exception {
        long lease = s.grant(100);
        Events events = Events.fromNowOn(s, "", WatchOption.builder().isPrefix(true));
        s.put("a", "1", s.attachedTo(lease));
        s.put("b", "2", s.attachedTo(lease));
        s.put("b", "free");
        s.put("c", "3", s.attachedTo(lease));
        Expect.answer(s.client.getLeaseClient().revoke(lease));
        events.expect("+a=1 +b=2 ~b=free +c=3 -a -c");
        Expect.equal("seconds left", look(s, lease).getTTL(), -1L);
    }

    @Promise
    static void expiryIsTold(Space s) throws Exception {
        Events events = Events.fromNowOn(s, "a", WatchOption.builder().withPrevKV(true));
        long lease = s.grant(3);
        s.put("a", "1", s.attachedTo(lease));
        events.expect("+a=1");
        var expired = events.next().getEvents().get(0);
        Expect.equal("event", events.word(expired), "-a");
        Expect.equal("lease that it had", expired.getPrevKV().getLease(), lease);
        Expect.equal("seconds left", look(s, lease).getTTL(), -1L);
    }

    @Promise
    static void keepingAliveIsObserved(Space s) throws Exception {
        long lease = s.grant(5);
        s.put("a", "1", s.attachedTo(lease));
        Heartbeats heartbeats = new Heartbeats();
        CloseableClient keeping = s.client.getLeaseClient().keepAlive(lease, heartbeats);
        // The client renews a lease once a third of it has passed: three times outlast it.
        for (int n = 0; n < 4; n++) {
            LeaseKeepAliveResponse heartbeat = heartbeats.next();
            Expect.equal("lease", heartbeat.getID(), lease);
            Expect.equal("seconds", heartbeat.getTTL(), 5L);
        }
        Expect.equal("is there", s.get("a").getCount(), 1L);
        keeping.close();
    }

    @Promise
    static void keepingAliveOnceRenews(Space s) throws Exception {
        long lease = s.grant(100);
        LeaseKeepAliveResponse renewed = Expect.answer(s.client.getLeaseClient().keepAliveOnce(lease));
        Expect.equal("lease", renewed.getID(), lease);
        Expect.equal("seconds", renewed.getTTL(), 100L);
    }

    @Promise
    static void keepingAliveEndsWithTheLease(Space s) throws Exception {
        long lease = s.grant(6);
        Heartbeats heartbeats = new Heartbeats();
        s.client.getLeaseClient().keepAlive(lease, heartbeats);
        heartbeats.next();
        Expect.answer(s.client.getLeaseClient().revoke(lease));
        Expect.error(Expect.answer(heartbeats.failed), ErrorCode.NOT_FOUND, "etcdserver: requested lease not found");
    }
}
