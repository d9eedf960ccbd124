package interop;

import io.etcd.jetcd.Cluster;
import io.etcd.jetcd.Maintenance;
import io.etcd.jetcd.cluster.Member;
import io.etcd.jetcd.cluster.MemberListResponse;
import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.maintenance.HashKVResponse;
import io.etcd.jetcd.maintenance.SnapshotResponse;
import io.etcd.jetcd.maintenance.StatusResponse;
import io.grpc.stub.StreamObserver;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** What a member says of itself and of its cluster. */
final class Members {
    private Members() {
    }

    @Promise
    static void tellTheirStatus(Space s) throws Exception {
        long revision = s.put("k", "v").getHeader().getRevision();
        StatusResponse status = Expect.answer(s.client.getMaintenanceClient().statusMember(s.endpoint));
        Expect.equal("revision", status.getHeader().getRevision(), revision);
        Expect.equal("leads itself", status.getLeader(), status.getHeader().getMemberId());
        Expect.equal("term", status.getRaftTerm(), status.getHeader().getRaftTerm());
        Expect.equal("is a learner", status.isLearner(), false);
        Expect.equal("errors", status.getErrorList(), List.of());
        Expect.that("a version: " + status.getVersion(), status.getVersion().matches("3\\.\\d+\\.\\d+"));
        Expect.that("a size", status.getDbSize() > 0 && status.getDbSizeInUse() > 0 && status.getDbSizeInUse() <= status.getDbSize());
        Expect.that("an index", status.getRaftIndex() > 0 && status.getRaftAppliedIndex() > 0);
    }

    @Promise
    static void haveNoAlarms(Space s) throws Exception {
        Expect.equal("alarms", Expect.answer(s.client.getMaintenanceClient().listAlarms()).getAlarms(), List.of());
    }

    @Promise
    static void defragment(Space s) throws Exception {
        s.abc();
        Expect.answer(s.client.getMaintenanceClient().defragmentMember(s.endpoint));
        Expect.equal("kept", s.show(s.get("a").getKvs()), "a=9");
        s.put("a", "10");
        Expect.equal("goes on", s.show(s.get("a").getKvs()), "a=10");
    }

    @Promise
    static void hashWhatTheyHold(Space s) throws Exception {
        Maintenance maintenance = s.client.getMaintenanceClient();
        long before = s.abc();
        HashKVResponse then = Expect.answer(maintenance.hashKV(s.endpoint, before + 2));
        HashKVResponse now = Expect.answer(maintenance.hashKV(s.endpoint, 0));
        Expect.that("differ", then.getHash() != now.getHash());
        Expect.equal("now by its revision", Expect.answer(maintenance.hashKV(s.endpoint, now.getHeader().getRevision())).getHash(), now.getHash());
        s.put("d", "4");
        Expect.equal("of the past", Expect.answer(maintenance.hashKV(s.endpoint, before + 2)).getHash(), then.getHash());
        Expect.error(maintenance.hashKV(s.endpoint, before + 100), ErrorCode.OUT_OF_RANGE,
            "etcdserver: mvcc: required revision is a future revision");
    }

    @Promise
    static void sendSnapshots(Space s) throws Exception {
        s.put("large", "x".repeat(1 << 20));
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        long size = Expect.answer(s.client.getMaintenanceClient().snapshot(output));
        byte[] snapshot = output.toByteArray();
        Expect.equal("size", size, (long) snapshot.length);
        Expect.equal("whole blocks and a digest", snapshot.length % 512, 32);
        byte[] content = Arrays.copyOf(snapshot, snapshot.length - 32);
        byte[] digest = Arrays.copyOfRange(snapshot, content.length, snapshot.length);
        Expect.that("SHA-256", Arrays.equals(MessageDigest.getInstance("SHA-256").digest(content), digest));
    }

    @Promise
    static void tellHowMuchOfASnapshotIsLeft(Space s) throws Exception {
        s.put("large", "x".repeat(1 << 20));
        CompletableFuture<Long> done = new CompletableFuture<>();
        s.client.getMaintenanceClient().snapshot(new StreamObserver<SnapshotResponse>() {
            private long left;

            @Override
            public void onNext(SnapshotResponse part) {
                left = part.getRemainingBytes();
            }

            @Override
            public void onError(Throwable reason) {
                done.completeExceptionally(reason);
            }

            @Override
            public void onCompleted() {
                done.complete(left);
            }
        });
        Expect.equal("left in the end", Expect.answer(done), 0L);
    }

    @Promise
    static void handLeadershipToMembersOnly(Space s) throws Exception {
        Expect.error(s.client.getMaintenanceClient().moveLeader(12345), ErrorCode.FAILED_PRECONDITION,
            "etcdserver: bad leader transferee");
    }

    @Promise
    static void areListed(Space s) throws Exception {
        MemberListResponse listed = Expect.answer(s.client.getClusterClient().listMember());
        Expect.equal("members", listed.getMembers().size(), 1);
        Member member = listed.getMembers().get(0);
        Expect.equal("ID", member.getId(), listed.getHeader().getMemberId());
        Expect.that("a name", !member.getName().isEmpty());
        Expect.equal("where clients reach it", member.getClientURIs(), List.of(URI.create(s.endpoint)));
        Expect.equal("where peers do", member.getPeerURIs().size(), 1);
        Expect.equal("is a learner", member.isLearner(), false);
    }

    @Promise
    static void learnersComeAndGo(Space s) throws Exception {
        Cluster cluster = s.client.getClusterClient();
        List<URI> known = Expect.answer(cluster.listMember()).getMembers().get(0).getPeerURIs();
        URI peer = URI.create("http://127.0.0.1:1");
        Member added = Expect.answer(cluster.addMember(List.of(peer), true)).getMember();
        Expect.equal("is a learner", added.isLearner(), true);
        Expect.equal("where peers reach it", added.getPeerURIs(), List.of(peer));
        settle(s);
        Expect.error(cluster.addMember(known, true), ErrorCode.FAILED_PRECONDITION, "etcdserver: Peer URLs already exists");
        Expect.error(cluster.promoteMember(added.getId()), ErrorCode.FAILED_PRECONDITION,
            "etcdserver: can only promote a learner member which is in sync with leader");
        settle(s);
        Expect.equal("left", Expect.answer(cluster.removeMember(added.getId())).getMembers().size(), 1);
        settle(s);
        Expect.error(cluster.removeMember(added.getId()), ErrorCode.NOT_FOUND, "etcdserver: member not found");
    }

    // An etcd drops, unanswered, a change of its members that reaches raft before the one before it
    // counts as applied there, as it does once a later write has been answered.
    private static void settle(Space s) throws Exception {
        s.put("later", "");
    }
}
