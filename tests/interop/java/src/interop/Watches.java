package interop;

import static interop.Space.text;

import io.etcd.jetcd.common.exception.CompactedException;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.watch.WatchEvent;
import io.etcd.jetcd.watch.WatchResponse;

import java.util.ArrayList;
import java.util.List;

final class Watches {
    private Watches() {
    }

    private static WatchOption.Builder from(long revision) {
        return WatchOption.builder().withRevision(revision);
    }

    @Promise
    static void historyIsTold(Space s) throws Exception {
        long first = s.abc() + 1;
        Events one = new Events(s, "a", from(first).build());
        Events all = new Events(s, "", from(first).isPrefix(true).build());
        Events some = new Events(s, "b", from(first).withRange(s.key("c")).build());
        one.expect("+a=1 ~a=9");
        all.expect("+a=1 +b=2 +c=3 ~a=9");
        some.expect("+b=2");
        s.delete("", DeleteOption.builder().isPrefix(true).build());
        one.expect("-a");
        Expect.equal("events of one revision", all.next().getEvents().size(), 3);
        some.expect("-b");
    }

    @Promise
    static void presentIsTold(Space s) throws Exception {
        s.put("a", "old");
        Events events = Events.fromNowOn(s, "a", WatchOption.builder());
        long revision = s.put("a", "new").getHeader().getRevision();
        WatchResponse response = events.next();
        WatchEvent event = response.getEvents().get(0);
        Expect.equal("event", events.word(event), "~a=new");
        Expect.equal("where it is not asked for", event.getPrevKV().getVersion(), 0L);
        Expect.equal("revision", response.getHeader().getRevision(), revision);
        Expect.equal("revision of the key", event.getKeyValue().getModRevision(), revision);
    }

    @Promise
    static void previousValuesAreTold(Space s) throws Exception {
        long first = s.abc() + 1;
        s.delete("a");
        Events events = new Events(s, "a", from(first).withPrevKV(true).build());
        List<String> before = new ArrayList<>();
        while (before.size() < 3) {
            events.next().getEvents().forEach(event -> before.add(text(event.getPrevKV().getValue())));
        }
        Expect.equal("before", String.join(",", before), ",1,9");
    }

    @Promise
    static void filtersLeaveOut(Space s) throws Exception {
        long first = s.abc() + 1;
        Events puts = new Events(s, "a", from(first).withNoDelete(true).build());
        Events deletions = new Events(s, "a", from(first).withNoPut(true).build());
        s.delete("a");
        s.put("a", "again");
        puts.expect("+a=1 ~a=9 +a=again");
        deletions.expect("-a");
    }

    @Promise
    static void progressIsToldWhenAskedFor(Space s) throws Exception {
        Events events = Events.fromNowOn(s, "a", WatchOption.builder());
        long revision = s.put("elsewhere", "1").getHeader().getRevision();
        events.watcher.requestProgress();
        WatchResponse response = events.next();
        Expect.equal("is progress", response.isProgressNotify(), true);
        Expect.equal("revision", response.getHeader().getRevision(), revision);
    }

    @Promise
    static void compactedHistoryIsRefused(Space s) throws Exception {
        long first = s.abc() + 1;
        Expect.answer(s.kv.compact(first + 3));
        Events events = new Events(s, "a", from(first).build());
        Throwable reason = Expect.answer(events.failed);
        Expect.that("compacted: " + reason, reason instanceof CompactedException);
        Expect.equal("at", ((CompactedException) reason).getCompactedRevision(), first + 3);
        Expect.answer(events.ended);
        Expect.equal("is closed", events.watcher.isClosed(), true);
    }

    @Promise
    static void closedWatchIsToldNothing(Space s) throws Exception {
        Events closed = Events.fromNowOn(s, "a", WatchOption.builder());
        Events stays = Events.fromNowOn(s, "a", WatchOption.builder());
        closed.close();
        Expect.answer(closed.ended);
        s.put("a", "1");
        stays.expect("+a=1");
        s.put("a", "2");
        stays.expect("~a=2");
    }

    @Promise
    static void manyAreToldEach(Space s) throws Exception {
        List<Events> watches = new ArrayList<>();
        for (int n = 0; n < 200; n++) {
            watches.add(Events.fromNowOn(s, String.valueOf(n % 20), WatchOption.builder()));
        }
        for (int n = 0; n < 20; n++) {
            s.put(String.valueOf(n), "x");
        }
        for (int n = 0; n < 200; n++) {
            watches.get(n).expect("+" + n % 20 + "=x");
        }
    }

    @Promise
    static void largeHistoryIsToldWhole(Space s) throws Exception {
        String value = "x".repeat(700 << 10);
        long first = s.put("a0", value).getHeader().getRevision();
        for (int n = 1; n < 8; n++) {
            s.put("a" + n, value);
        }
        // More than the 4 MiB that gRPC's clients take in one message, unless told otherwise.
        try (var client = io.etcd.jetcd.Client.builder().endpoints(s.endpoint).maxInboundMessageSize(16 << 20).build()) {
            var told = new java.util.concurrent.LinkedBlockingQueue<WatchResponse>();
            client.getWatchClient().watch(s.key(""), from(first).isPrefix(true).build(), told::add);
            int events = 0;
            while (events < 8) {
                events += told.poll(Expect.PATIENCE_IN_SECONDS, java.util.concurrent.TimeUnit.SECONDS).getEvents().size();
            }
            Expect.equal("events", events, 8);
        }
    }
}
