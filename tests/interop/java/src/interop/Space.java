package interop;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.kv.DeleteResponse;
import io.etcd.jetcd.kv.GetResponse;
import io.etcd.jetcd.kv.PutResponse;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.PutOption;

import java.util.List;
import java.util.stream.Collectors;

/** A connection, and a corner of the key space that is a promise's own and empty when it begins. */
final class Space implements AutoCloseable {
    final String endpoint;
    final Client client;
    final KV kv;
    private final String prefix;

    Space(String endpoint, String prefix) throws Exception {
        this.endpoint = endpoint;
        this.client = Client.builder().endpoints(endpoint).build();
        this.kv = client.getKVClient();
        this.prefix = prefix;
        delete("", DeleteOption.builder().isPrefix(true).build());
    }

    @Override
    public void close() {
        client.close();
    }

    static ByteSequence bytes(String text) {
        return ByteSequence.from(text, UTF_8);
    }

    static String text(ByteSequence bytes) {
        return bytes.toString(UTF_8);
    }

    ByteSequence key(String name) {
        return bytes(prefix + name);
    }

    /** A key's name, without the prefix. */
    String name(ByteSequence key) {
        return text(key).substring(prefix.length());
    }

    PutResponse put(String name, String value) throws Exception {
        return put(name, value, PutOption.DEFAULT);
    }

    PutResponse put(String name, String value, PutOption option) throws Exception {
        return Expect.answer(kv.put(key(name), bytes(value), option));
    }

    GetResponse get(String name) throws Exception {
        return get(name, GetOption.DEFAULT);
    }

    GetResponse get(String name, GetOption option) throws Exception {
        return Expect.answer(kv.get(key(name), option));
    }

    /** What a key has, which there is. */
    KeyValue only(String name) throws Exception {
        List<KeyValue> found = get(name).getKvs();
        Expect.equal("keys found", found.size(), 1);
        return found.get(0);
    }

    DeleteResponse delete(String name, DeleteOption option) throws Exception {
        return Expect.answer(kv.delete(key(name), option));
    }

    DeleteResponse delete(String name) throws Exception {
        return delete(name, DeleteOption.DEFAULT);
    }

    /**
     * Writes a=1, b=2, c=3 and a=9, and returns the revision before them: with it r, a was created
     * at r+1 and last changed at r+4, b at r+2 and c at r+3.
     */
    long abc() throws Exception {
        long first = put("a", "1").getHeader().getRevision();
        put("b", "2");
        put("c", "3");
        put("a", "9");
        return first - 1;
    }

    /** Key-values as "a=9 b=2". */
    String show(List<KeyValue> kvs) {
        return kvs.stream()
            .map(kv -> name(kv.getKey()) + "=" + text(kv.getValue()))
            .collect(Collectors.joining(" "));
    }

    long grant(long ttl) throws Exception {
        return Expect.answer(client.getLeaseClient().grant(ttl)).getID();
    }

    PutOption attachedTo(long lease) {
        return PutOption.builder().withLeaseId(lease).build();
    }
}
