package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Checks the promises that are named on standard input, a line "Class.method" for each, against the
 * server at ETCD_ENDPOINT, and says after each whether it was "kept" or "broken", with the reason
 * before it.
 *
 * <p>A promise about restarts says "kill the server" or "restart the server", and waits for a line.
 */
public final class Session {
    private static final long PATIENCE_IN_SECONDS = 60;
    private static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));

    private Session() {
    }

    public static void main(String[] arguments) throws IOException {
        String endpoint = System.getenv("ETCD_ENDPOINT");
        // One that waits for ever is not to be waited for.
        ExecutorService threads = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        for (String name = INPUT.readLine(); name != null; name = INPUT.readLine()) {
            String promise = name;
            Future<Throwable> check = threads.submit(() -> check(promise, endpoint));
            Throwable reason;
            try {
                reason = check.get(PATIENCE_IN_SECONDS, TimeUnit.SECONDS);
            } catch (Exception unfinished) {
                reason = unfinished;
            }
            if (reason != null) {
                reason.printStackTrace(System.out);
            }
            System.out.println(reason == null ? "kept" : "broken");
        }
    }

    /** Has whoever reads our output kill the server and start it again, or restart it. */
    static void askTo(String what) throws IOException {
        System.out.println(what + " the server");
        INPUT.readLine();
    }

    /** Returns why a promise is not kept, or null where it is. */
    private static Throwable check(String name, String endpoint) throws Exception {
        String[] parts = name.split("\\.");
        Method promise = Class.forName("interop." + parts[0]).getDeclaredMethod(parts[1], Space.class);
        if (!promise.isAnnotationPresent(Promise.class)) {
            throw new NoSuchMethodException(name);
        }
        try (Space space = new Space(endpoint, "/" + name + "/")) {
            promise.invoke(null, space);
            return null;
        } catch (InvocationTargetException broken) {
            return broken.getCause();
        }
    }
}
