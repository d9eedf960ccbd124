package interop;

import io.etcd.jetcd.common.exception.ErrorCode;
import io.etcd.jetcd.common.exception.EtcdException;
import io.etcd.jetcd.common.exception.EtcdExceptionFactory;

import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** What a promise says it expects. */
final class Expect {
    static final long PATIENCE_IN_SECONDS = 20;

    private Expect() {
    }

    static void equal(String what, Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError(what + ": got " + got + ", want " + want);
        }
    }

    static void that(String what, boolean got) {
        if (!got) {
            throw new AssertionError(what);
        }
    }

    /** Waits for the answer to a call. */
    static <T> T answer(CompletableFuture<T> call) throws Exception {
        return call.get(PATIENCE_IN_SECONDS, TimeUnit.SECONDS);
    }

    /** Waits for a call to fail, and returns why. */
    static Throwable failure(CompletableFuture<?> call) throws Exception {
        try {
            throw new AssertionError("answered: " + answer(call));
        } catch (ExecutionException failed) {
            Throwable reason = failed.getCause();
            while (reason instanceof ExecutionException || reason instanceof CompletionException) {
                reason = reason.getCause();
            }
            return reason;
        }
    }

    static void error(CompletableFuture<?> call, ErrorCode code, String text) throws Exception {
        error(failure(call), code, text);
    }

    static void error(Throwable got, ErrorCode code, String text) {
        // Some of the client's calls hand on what gRPC throws.
        EtcdException error = EtcdExceptionFactory.toEtcdException(got);
        if (error.getErrorCode() != code || !error.getMessage().endsWith(text)) {
            throw new AssertionError("got " + got + ", want " + code + " " + text, got);
        }
    }

    static void eventually(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_IN_SECONDS);
        while (!condition.getAsBoolean()) {
            that("not in time: " + what, System.nanoTime() < deadline);
            Thread.sleep(5);
        }
    }
}
