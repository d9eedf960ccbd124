package interop;

import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.grpc.stub.StreamObserver;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What the observer of a lease that is kept alive was told. */
final class Heartbeats implements StreamObserver<LeaseKeepAliveResponse> {
    /** Done once keeping alive has failed. */
    final CompletableFuture<Throwable> failed = new CompletableFuture<>();
    private final BlockingQueue<LeaseKeepAliveResponse> told = new LinkedBlockingQueue<>();

    LeaseKeepAliveResponse next() throws InterruptedException {
        LeaseKeepAliveResponse response = told.poll(Expect.PATIENCE_IN_SECONDS, TimeUnit.SECONDS);
        Expect.that("no heartbeat comes", response != null);
        return response;
    }

    @Override
    public void onNext(LeaseKeepAliveResponse response) {
        told.add(response);
    }

    @Override
    public void onError(Throwable reason) {
        failed.complete(reason);
    }

    @Override
    public void onCompleted() {
    }
}
