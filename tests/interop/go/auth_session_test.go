package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// house is a server that asks who calls. alice may do everything below the test's prefix.
type house struct {
	*space
	root *clientv3.Client
}

// newHouse switches authentication on for the time of a test, on a server without users.
func newHouse(t *testing.T) *house {
	t.Helper()
	if os.Getenv("ETCD_TOKENS") == "" {
		t.Skip("ETCD_TOKENS is not set: nobody may log in")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	h := &house{space: &space{t: t, ctx: ctx, prefix: "/" + t.Name() + "/"}}
	open := connect(t)
	must(t, ignore(open.UserAdd(ctx, "root", "root's")))
	must(t, ignore(open.UserGrantRole(ctx, "root", "root")))
	must(t, ignore(open.UserAdd(ctx, "alice", "alice's")))
	must(t, ignore(open.RoleAdd(ctx, "part")))
	h.grantTo(open, h.prefix)
	must(t, ignore(open.UserGrantRole(ctx, "alice", "part")))
	must(t, ignore(open.AuthEnable(ctx)))
	h.root = h.login("root", "root's")
	h.Client = h.login("alice", "alice's")
	t.Cleanup(func() {
		clearing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(t, ignore(h.root.AuthDisable(clearing)))
		for _, user := range []string{"root", "alice"} {
			_, _ = open.UserDelete(clearing, user)
		}
		_, _ = open.RoleDelete(clearing, "part")
	})
	return h
}

func (h *house) login(name, password string) *clientv3.Client {
	h.t.Helper()
	return connect(h.t, func(c *clientv3.Config) { c.Username, c.Password = name, password })
}

func (h *house) grantTo(client *clientv3.Client, prefix string) {
	h.t.Helper()
	kind := clientv3.PermissionType(clientv3.PermReadWrite)
	must(h.t, ignore(client.RoleGrantPermission(h.ctx, "part", prefix, clientv3.GetPrefixRangeEnd(prefix), kind)))
}

// write is what another user puts where alice may read.
func (h *house) write(name, value string) {
	h.t.Helper()
	must(h.t, ignore(h.root.Put(h.ctx, h.key(name), value)))
}

// watching is a watch of all that is alice's, once it has begun.
func (h *house) watching() clientv3.WatchChan {
	h.t.Helper()
	watch := h.Watch(h.ctx, h.prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	first := <-watch
	if err := first.Err(); err != nil && strings.Contains(err.Error(), "invalid auth token") {
		// On a busy machine a token that lives shortly may end before its first use.
		return h.watching()
	}
	must(h.t, first.Err())
	equal(h.t, "created", first.Created, true)
	return watch
}

func refused(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(rpctypes.Error(err), want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestUserDoesWhatItsRoleAllows(t *testing.T) {
	h := newHouse(t)
	h.put("k", "v")
	equal(t, "value", h.show(h.get("k").Kvs), "k=v")
	h.commit(h.Txn(h.ctx).If(clientv3.Compare(clientv3.Version(h.key("k")), "=", 1)).
		Then(clientv3.OpPut(h.key("k"), "w"), clientv3.OpGet(h.key("k"))))
	lease := h.grant(100)
	h.put("leased", "v", clientv3.WithLease(lease))
	must(t, ignore(h.KeepAliveOnce(h.ctx, lease)))
	must(t, ignore(h.Revoke(h.ctx, lease)))
	session, err := concurrency.NewSession(h.Client)
	must(t, err)
	defer session.Close()
	mutex := concurrency.NewMutex(session, h.prefix+"lock")
	must(t, mutex.Lock(h.ctx))
	must(t, mutex.Unlock(h.ctx))
	user, err := h.UserGet(h.ctx, "alice")
	must(t, err)
	equal(t, "roles", fmt.Sprint(user.Roles), "[part]")

	refused(t, "put", ignore(h.Put(h.ctx, "other", "v")), rpctypes.ErrPermissionDenied)
	refused(t, "get", ignore(h.Get(h.ctx, "", clientv3.WithPrefix())), rpctypes.ErrPermissionDenied)
	refused(t, "list", ignore(h.UserList(h.ctx)), rpctypes.ErrPermissionDenied)
	refused(t, "compact", ignore(h.Compact(h.ctx, 1)), rpctypes.ErrPermissionDenied)
	refused(t, "nobody", ignore(connect(t).Get(h.ctx, "k")), rpctypes.ErrUserEmpty)
	told := <-h.Watch(h.ctx, "other")
	equal(t, "watch", told.Err().Error(), "rpc error: code = PermissionDenied desc = etcdserver: permission denied")
}

func TestWrongPasswordIsNoClient(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"alice", "nobody"} {
		_, err := clientv3.New(clientv3.Config{
			Endpoints: []string{endpoint(t)}, DialTimeout: patience, Username: name, Password: "wrong",
		})
		refused(t, name, err, rpctypes.ErrAuthFailed)
	}
	h.put("k", "v")
}

func TestPasswordChangesUnderASession(t *testing.T) {
	h := newHouse(t)
	watch := h.watching()
	must(t, ignore(h.root.UserChangePassword(h.ctx, "alice", "another")))
	refused(t, "with the old password", ignore(h.Get(h.ctx, h.key("k"))), rpctypes.ErrAuthFailed)
	h.Client = h.login("alice", "another")
	h.put("k", "1")
	h.told("a watch from before", watch, "+k=1")
}

func TestUserIsDeletedUnderASession(t *testing.T) {
	h := newHouse(t)
	watch := h.watching()
	must(t, ignore(h.root.UserDelete(h.ctx, "alice")))
	refused(t, "get", ignore(h.Get(h.ctx, h.key("k"))), rpctypes.ErrAuthFailed)
	h.write("k", "1")
	h.told("a watch from before", watch, "+k=1")
	must(t, ignore(h.root.UserAdd(h.ctx, "alice", "alice's")))
	refused(t, "a new one of that name", ignore(h.Get(h.ctx, h.key("k"))), rpctypes.ErrPermissionDenied)
}

func TestRoleIsRevokedUnderAWatch(t *testing.T) {
	h := newHouse(t)
	watch := h.watching()
	must(t, ignore(h.root.UserRevokeRole(h.ctx, "alice", "part")))
	refused(t, "get", ignore(h.Get(h.ctx, h.key("k"))), rpctypes.ErrPermissionDenied)
	h.write("k", "1")
	h.told("a watch from before", watch, "+k=1")
	// Its context makes it a stream of its own, which has a new token.
	other, cancel := context.WithCancel(clientv3.WithRequireLeader(h.ctx))
	defer cancel()
	told := <-h.Watch(other, h.prefix, clientv3.WithPrefix())
	equal(t, "a new watch", told.Err().Error(), "rpc error: code = PermissionDenied desc = etcdserver: permission denied")
}

func TestRightsAreGrantedUnderASession(t *testing.T) {
	h := newHouse(t)
	refused(t, "before", ignore(h.Get(h.ctx, "later/k")), rpctypes.ErrPermissionDenied)
	h.grantTo(h.root, "later/")
	must(t, ignore(h.Put(h.ctx, "later/k", "v")))
	must(t, ignore(h.root.RoleRevokePermission(h.ctx, "part", "later/", "later0")))
	refused(t, "after", ignore(h.Get(h.ctx, "later/k")), rpctypes.ErrPermissionDenied)
	h.put("k", "what was granted before stays")
}

func TestTokenIsUsedAsItIs(t *testing.T) {
	h := newHouse(t)
	reply, err := h.root.Authenticate(h.ctx, "alice", "alice's")
	must(t, err)
	client := connect(t, func(c *clientv3.Config) { c.Token = reply.Token })
	must(t, ignore(client.Put(h.ctx, h.key("k"), "v")))
	must(t, ignore(h.root.RoleAdd(h.ctx, "other")))
	t.Cleanup(func() { _, _ = h.root.RoleDelete(context.Background(), "other") })
	err = ignore(client.Get(h.ctx, h.key("k")))
	if os.Getenv("ETCD_TOKENS") == "jwt" {
		refused(t, "signed before the change", err, rpctypes.ErrAuthOldRevision)
	} else {
		must(t, err)
	}
	bad := connect(t, func(c *clientv3.Config) { c.Token = "none.of.theirs" })
	refused(t, "no token", ignore(bad.Get(h.ctx, h.key("k"))), rpctypes.ErrInvalidAuthToken)
}
