package interop;

import static interop.Space.bytes;
import static interop.Space.text;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.kv.DeleteResponse;
import io.etcd.jetcd.kv.GetResponse;
import io.etcd.jetcd.kv.PutResponse;
import io.etcd.jetcd.options.CompactOption;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.GetOption.SortOrder;
import io.etcd.jetcd.options.GetOption.SortTarget;
import io.etcd.jetcd.options.PutOption;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

final class KeyValues {
    private static final GetOption PREFIX = GetOption.builder().isPrefix(true).build();

    private KeyValues() {
    }

    @Promise
    static void putTellsWhatWasThereBefore(Space s) throws Exception {
        PutOption withPrevious = PutOption.builder().withPrevKV().build();
        Expect.equal("before the first", s.put("a", "1", withPrevious).hasPrevKv(), false);
        PutResponse first = s.put("a", "2");
        Expect.equal("where it is not asked for", first.hasPrevKv(), false);
        PutResponse second = s.put("a", "3", withPrevious);
        Expect.equal("before", text(second.getPrevKv().getValue()), "2");
        Expect.equal("its revision", second.getPrevKv().getModRevision(), first.getHeader().getRevision());
        Expect.equal("revision", second.getHeader().getRevision(), first.getHeader().getRevision() + 1);
    }

    @Promise
    static void keyCarriesItsHistory(Space s) throws Exception {
        long before = s.abc();
        long lease = s.grant(60);
        KeyValue a = s.only("a");
        Expect.equal("value", text(a.getValue()), "9");
        Expect.equal("created", a.getCreateRevision(), before + 1);
        Expect.equal("changed", a.getModRevision(), before + 4);
        Expect.equal("version", a.getVersion(), 2L);
        Expect.equal("lease", a.getLease(), 0L);
        s.put("a", "leased", s.attachedTo(lease));
        Expect.equal("attached", s.only("a").getLease(), lease);
        s.delete("a");
        s.put("a", "again");
        Expect.equal("version after a deletion", s.only("a").getVersion(), 1L);
    }

    @Promise
    static void pastIsRead(Space s) throws Exception {
        long before = s.abc();
        s.delete("", DeleteOption.builder().isPrefix(true).build());
        String[] want = {"", "a=1", "a=1 b=2", "a=1 b=2 c=3", "a=9 b=2 c=3", ""};
        for (int n = 0; n < want.length; n++) {
            GetOption then = GetOption.builder().isPrefix(true).withRevision(before + n).build();
            GetResponse found = s.get("", then);
            Expect.equal("at " + n, s.show(found.getKvs()), want[n]);
            Expect.equal("header of " + n, found.getHeader().getRevision(), before + 5);
        }
        GetOption future = GetOption.builder().withRevision(before + 100).build();
        Expect.error(s.kv.get(s.key("a"), future), ErrorCode.OUT_OF_RANGE,
            "etcdserver: mvcc: required revision is a future revision");
    }

    @Promise
    static void rangesAreRead(Space s) throws Exception {
        s.abc();
        GetOption untilC = GetOption.builder().withRange(s.key("c")).build();
        Expect.equal("until c", s.show(s.get("a", untilC).getKvs()), "a=9 b=2");
        Expect.equal("a prefix", s.show(s.get("", PREFIX).getKvs()), "a=9 b=2 c=3");
        Expect.equal("backwards", s.get("c", GetOption.builder().withRange(s.key("a")).build()).getCount(), 0L);
        Expect.equal("nothing", s.get("d").getCount(), 0L);
        ByteSequence end = ByteSequence.from(new byte[] {0});
        GetOption fromB = GetOption.builder().withRange(end).withLimit(2).build();
        Expect.equal("from b on", s.show(s.get("b", fromB).getKvs()), "b=2 c=3");
        Expect.that("everything", Expect.answer(s.kv.get(end, GetOption.builder().withRange(end).build())).getCount() >= 3);
    }

    @Promise
    static void limitLeavesMore(Space s) throws Exception {
        s.abc();
        GetResponse two = s.get("", GetOption.builder().isPrefix(true).withLimit(2).build());
        Expect.equal("two", s.show(two.getKvs()), "a=9 b=2");
        Expect.equal("more", two.isMore(), true);
        Expect.equal("count", two.getCount(), 3L);
        GetResponse three = s.get("", GetOption.builder().isPrefix(true).withLimit(3).build());
        Expect.equal("no more", three.isMore(), false);
    }

    @Promise
    static void countsAndKeysAlone(Space s) throws Exception {
        s.abc();
        GetResponse count = s.get("", GetOption.builder().isPrefix(true).withCountOnly(true).build());
        Expect.equal("count", count.getCount(), 3L);
        Expect.equal("no keys", count.getKvs().size(), 0);
        GetResponse keys = s.get("", GetOption.builder().isPrefix(true).withKeysOnly(true).build());
        Expect.equal("no values", s.show(keys.getKvs()), "a= b= c=");
        Expect.equal("version", keys.getKvs().get(0).getVersion(), 2L);
    }

    @Promise
    static void sortsByEachField(Space s) throws Exception {
        s.put("a", "2");
        s.put("b", "3");
        s.put("c", "1");
        s.put("b", "3");
        s.put("b", "3");
        s.put("a", "2");
        expectOrder(s, SortTarget.KEY, "a=2 b=3 c=1");
        expectOrder(s, SortTarget.VALUE, "c=1 a=2 b=3");
        expectOrder(s, SortTarget.VERSION, "c=1 a=2 b=3");
        expectOrder(s, SortTarget.CREATE, "a=2 b=3 c=1");
        expectOrder(s, SortTarget.MOD, "c=1 b=3 a=2");
    }

    private static void expectOrder(Space s, SortTarget field, String ascending) throws Exception {
        GetOption.Builder option = GetOption.builder().isPrefix(true).withSortField(field);
        GetOption up = option.withSortOrder(SortOrder.ASCEND).build();
        Expect.equal(field + " ascending", s.show(s.get("", up).getKvs()), ascending);
        List<String> words = new ArrayList<>(List.of(ascending.split(" ")));
        java.util.Collections.reverse(words);
        GetOption down = option.withSortOrder(SortOrder.DESCEND).build();
        Expect.equal(field + " descending", s.show(s.get("", down).getKvs()), String.join(" ", words));
        GetOption last = option.withLimit(1).build();
        Expect.equal(field + " last", s.show(s.get("", last).getKvs()), words.get(0));
    }

    @Promise
    static void filtersByRevision(Space s) throws Exception {
        long before = s.abc();
        expectFiltered(s, "a=9 c=3", GetOption.builder().withMinModRevision(before + 3));
        expectFiltered(s, "b=2 c=3", GetOption.builder().withMaxModRevision(before + 3));
        expectFiltered(s, "b=2 c=3", GetOption.builder().withMinCreateRevision(before + 2));
        expectFiltered(s, "a=9 b=2", GetOption.builder().withMaxCreateRevision(before + 2));
    }

    private static void expectFiltered(Space s, String want, GetOption.Builder filter) throws Exception {
        GetResponse found = s.get("", filter.isPrefix(true).build());
        Expect.equal("filtered", s.show(found.getKvs()), want);
        Expect.equal("count, which filters do not change", found.getCount(), 3L);
    }

    @Promise
    static void deletionTellsWhatWasThere(Space s) throws Exception {
        s.abc();
        DeleteOption all = DeleteOption.builder().isPrefix(true).withPrevKV(true).build();
        DeleteResponse one = s.delete("b", DeleteOption.builder().withPrevKV(true).build());
        Expect.equal("one", s.show(one.getPrevKvs()), "b=2");
        DeleteResponse rest = s.delete("", all);
        Expect.equal("deleted", rest.getDeleted(), 2L);
        Expect.equal("the rest", s.show(rest.getPrevKvs()), "a=9 c=3");
        DeleteResponse nothing = s.delete("", all);
        Expect.equal("deleted of nothing", nothing.getDeleted(), 0L);
        Expect.equal("revision", nothing.getHeader().getRevision(), rest.getHeader().getRevision());
    }

    @Promise
    static void deletesARange(Space s) throws Exception {
        s.abc();
        DeleteResponse deleted = s.delete("a", DeleteOption.builder().withRange(s.key("c")).build());
        Expect.equal("deleted", deleted.getDeleted(), 2L);
        Expect.equal("where it is not asked for", deleted.getPrevKvs().size(), 0);
        Expect.equal("left", s.show(s.get("", PREFIX).getKvs()), "c=3");
    }

    @Promise
    static void compactionEndsThePast(Space s) throws Exception {
        long before = s.abc();
        Expect.answer(s.kv.compact(before + 3, CompactOption.builder().withCompactPhysical(true).build()));
        GetOption then = GetOption.builder().isPrefix(true).withRevision(before + 3).build();
        Expect.equal("at the compacted revision", s.show(s.get("", then).getKvs()), "a=1 b=2 c=3");
        GetOption earlier = GetOption.builder().withRevision(before + 2).build();
        String compacted = "etcdserver: mvcc: required revision has been compacted";
        Expect.error(s.kv.get(s.key("a"), earlier), ErrorCode.OUT_OF_RANGE, compacted);
        Expect.error(s.kv.compact(before + 3), ErrorCode.OUT_OF_RANGE, compacted);
    }

    @Promise
    static void refusalsHaveTheirReasons(Space s) throws Exception {
        Expect.error(s.kv.put(ByteSequence.EMPTY, bytes("v")), ErrorCode.INVALID_ARGUMENT, "etcdserver: key is not provided");
        Expect.error(s.kv.get(ByteSequence.EMPTY), ErrorCode.INVALID_ARGUMENT, "etcdserver: key is not provided");
        Expect.error(s.kv.put(s.key("a"), bytes("v"), s.attachedTo(12345)), ErrorCode.NOT_FOUND,
            "etcdserver: requested lease not found");
        ByteSequence large = ByteSequence.from(new byte[(3 << 19) + 1]);
        Expect.error(s.kv.put(s.key("a"), large), ErrorCode.INVALID_ARGUMENT, "etcdserver: request is too large");
        Expect.equal("nothing is written", s.get("a").getCount(), 0L);
    }

    @Promise
    static void largeValuesComeBack(Space s) throws Exception {
        byte[] value = new byte[1 << 20];
        new java.util.Random(7).nextBytes(value);
        for (int n = 0; n < 3; n++) {
            Expect.answer(s.kv.put(s.key("large" + n), ByteSequence.from(value)));
        }
        for (KeyValue found : s.get("", PREFIX).getKvs()) {
            Expect.that("the same bytes", java.util.Arrays.equals(found.getValue().getBytes(), value));
        }
    }

    @Promise
    static void concurrentPutsEachHaveARevision(Space s) throws Exception {
        List<CompletableFuture<PutResponse>> calls = new ArrayList<>();
        for (int n = 0; n < 1000; n++) {
            calls.add(s.kv.put(s.key(String.valueOf(n)), bytes("v")));
        }
        Set<Long> revisions = new HashSet<>();
        for (CompletableFuture<PutResponse> call : calls) {
            revisions.add(Expect.answer(call).getHeader().getRevision());
        }
        Expect.equal("revisions", revisions.size(), 1000);
        Expect.equal("keys", s.get("", PREFIX).getCount(), 1000L);
    }

    @Promise
    static void namespaceIsAPrefix(Space s) throws Exception {
        try (Client inside = Client.builder().endpoints(s.endpoint).namespace(s.key("")).build()) {
            s.abc();
            GetResponse found = Expect.answer(inside.getKVClient().get(bytes("a"), GetOption.builder().withRange(bytes("c")).build()));
            Expect.equal("inside", text(found.getKvs().get(1).getKey()), "b");
            Expect.answer(inside.getKVClient().put(bytes("d"), bytes("4")));
            Expect.equal("outside", text(s.only("d").getValue()), "4");
        }
    }
}
