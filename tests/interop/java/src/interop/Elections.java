package interop;

import static interop.Space.bytes;
import static interop.Space.text;

import io.etcd.jetcd.Election;
import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.election.CampaignResponse;
import io.etcd.jetcd.election.LeaderKey;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.election.NoLeaderException;
import io.etcd.jetcd.election.NotLeaderException;
import io.etcd.jetcd.options.GetOption;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

final class Elections {
    private Elections() {
    }

    /** Begins to stand, and returns once the candidate is in the queue. */
    private static CompletableFuture<CampaignResponse> campaign(Space s, long lease, String value) throws Exception {
        long before = candidates(s);
        CompletableFuture<CampaignResponse> call = s.client.getElectionClient().campaign(s.key("e"), lease, bytes(value));
        Expect.eventually("a candidate", () -> candidates(s) > before);
        return call;
    }

    private static long candidates(Space s) {
        try {
            return s.get("e/", GetOption.builder().isPrefix(true).build()).getCount();
        } catch (Exception failed) {
            throw new AssertionError(failed);
        }
    }

    private static String leader(Space s) throws Exception {
        return text(Expect.answer(s.client.getElectionClient().leader(s.key("e"))).getKv().getValue());
    }

    @Promise
    static void winnerIsTheLeader(Space s) throws Exception {
        long lease = s.grant(60);
        LeaderKey won = Expect.answer(campaign(s, lease, "one")).getLeader();
        Expect.equal("election", won.getName(), s.key("e"));
        Expect.equal("key", s.name(won.getKey()), "e/" + Long.toHexString(lease));
        Expect.equal("lease", won.getLease(), lease);
        Expect.equal("created", s.only(s.name(won.getKey())).getCreateRevision(), won.getRevision());
        Expect.equal("leader", leader(s), "one");
    }

    @Promise
    static void passesInOrder(Space s) throws Exception {
        CompletableFuture<CampaignResponse> first = campaign(s, s.grant(60), "one");
        long lease = s.grant(60);
        CompletableFuture<CampaignResponse> second = campaign(s, lease, "two");
        CompletableFuture<CampaignResponse> third = campaign(s, s.grant(60), "three");
        LeaderKey won = Expect.answer(first).getLeader();
        Expect.equal("the second waits", second.isDone(), false);
        Expect.answer(s.client.getElectionClient().resign(won));
        Expect.answer(second);
        Expect.equal("leader", leader(s), "two");
        Expect.equal("the third waits", third.isDone(), false);
        Expect.answer(s.client.getLeaseClient().revoke(lease));
        Expect.answer(third);
        Expect.equal("the last leader", leader(s), "three");
    }

    @Promise
    static void leaderProclaims(Space s) throws Exception {
        Election elections = s.client.getElectionClient();
        LeaderKey won = Expect.answer(campaign(s, s.grant(60), "one")).getLeader();
        Expect.answer(elections.proclaim(won, bytes("another")));
        Expect.equal("proclaimed", leader(s), "another");
        Expect.answer(elections.resign(won));
        Throwable late = Expect.failure(elections.proclaim(won, bytes("too late")));
        Expect.that("proclaimed by who has gone: " + late, late instanceof NotLeaderException);
    }

    @Promise
    static void nobodyLeadsWhereNobodyStands(Space s) throws Exception {
        Throwable reason = Expect.failure(s.client.getElectionClient().leader(s.key("e")));
        Expect.that("no leader: " + reason, reason instanceof NoLeaderException);
    }

    @Promise
    static void needsALeaseThatIs(Space s) throws Exception {
        Expect.error(s.client.getElectionClient().campaign(s.key("e"), 12345, bytes("one")), ErrorCode.UNKNOWN,
            "etcdserver: requested lease not found");
    }

    @Promise
    static void isObserved(Space s) throws Exception {
        Observed observed = new Observed();
        LeaderKey first = Expect.answer(campaign(s, s.grant(60), "one")).getLeader();
        s.client.getElectionClient().observe(s.key("e"), observed);
        observed.expect("one");
        Expect.answer(s.client.getElectionClient().proclaim(first, bytes("uno")));
        observed.expect("uno");
        CompletableFuture<CampaignResponse> second = campaign(s, s.grant(60), "two");
        Expect.answer(s.client.getElectionClient().resign(first));
        observed.expect("two");
        Expect.answer(s.client.getElectionClient().resign(Expect.answer(second).getLeader()));
        campaign(s, s.grant(60), "three");
        observed.expect("three");
    }

    private static final class Observed implements Election.Listener {
        private final BlockingQueue<String> told = new LinkedBlockingQueue<>();

        void expect(String value) throws InterruptedException {
            Expect.equal("observed", told.poll(Expect.PATIENCE_IN_SECONDS, TimeUnit.SECONDS), value);
        }

        @Override
        public void onNext(LeaderResponse response) {
            told.add(text(response.getKv().getValue()));
        }

        @Override
        public void onError(Throwable reason) {
            told.add(reason.toString());
        }

        @Override
        public void onCompleted() {
            told.add("the end");
        }
    }
}
