package interop;

import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.watch.WatchEvent;
import io.etcd.jetcd.watch.WatchEvent.EventType;
import io.etcd.jetcd.watch.WatchResponse;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A watch, and what it was told and has not been looked at. */
final class Events implements Watch.Listener, AutoCloseable {
    /** Done once the watch has failed, which may be for a while only. */
    final CompletableFuture<Throwable> failed = new CompletableFuture<>();
    final CompletableFuture<Void> ended = new CompletableFuture<>();
    final Watch.Watcher watcher;
    private final Space space;
    private final BlockingQueue<WatchResponse> told = new LinkedBlockingQueue<>();

    /** Begins to watch; it is not said to have begun unless the option asks for that. */
    Events(Space space, String name, WatchOption option) {
        this.space = space;
        this.watcher = space.client.getWatchClient().watch(space.key(name), option, this);
    }

    /** Watches from now on: what is written once this returns is told. */
    static Events fromNowOn(Space space, String name, WatchOption.Builder option) throws Exception {
        Events events = new Events(space, name, option.withCreateNotify(true).build());
        Expect.that("created", events.next().isCreatedNotify());
        return events;
    }

    WatchResponse next() throws InterruptedException {
        WatchResponse response = told.poll(Expect.PATIENCE_IN_SECONDS, TimeUnit.SECONDS);
        Expect.that("nothing is told", response != null);
        return response;
    }

    /**
     * Reads events until there are as many as words in want, and compares: "+a=1" was created,
     * "~a=2" changed, "-a" deleted.
     */
    void expect(String want) throws InterruptedException {
        List<String> words = new ArrayList<>();
        while (words.size() < want.split(" ").length) {
            next().getEvents().forEach(event -> words.add(word(event)));
        }
        Expect.equal("told", String.join(" ", words), want);
    }

    String word(WatchEvent event) {
        KeyValue kv = event.getKeyValue();
        if (event.getEventType() == EventType.DELETE) {
            return "-" + space.name(kv.getKey());
        }
        return (kv.getVersion() == 1 ? "+" : "~") + space.name(kv.getKey()) + "=" + Space.text(kv.getValue());
    }

    @Override
    public void onNext(WatchResponse response) {
        told.add(response);
    }

    @Override
    public void onError(Throwable reason) {
        failed.complete(reason);
    }

    @Override
    public void onCompleted() {
        ended.complete(null);
    }

    @Override
    public void close() {
        watcher.close();
    }
}
