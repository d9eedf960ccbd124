package interop

import (
	"crypto/tls"
	"fmt"
	"os"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// newCertifiedHouse is a house whose alice comes with a certificate. The one that the
// environment names is hers, the other one is root's.
func newCertifiedHouse(t *testing.T) *house {
	t.Helper()
	if os.Getenv("ETCD_OTHER_CERT") == "" {
		t.Skip("ETCD_OTHER_CERT is not set: nobody has a certificate")
	}
	h := newHouse(t)
	h.Client = connect(t)
	return h
}

func otherCertificate(t *testing.T) *tls.Config {
	t.Helper()
	config, err := transport.TLSInfo{
		TrustedCAFile: os.Getenv("ETCD_CACERT"),
		CertFile:      os.Getenv("ETCD_OTHER_CERT"),
		KeyFile:       os.Getenv("ETCD_OTHER_KEY"),
	}.ClientConfig()
	must(t, err)
	return config
}

func TestCertificateSaysWhoCalls(t *testing.T) {
	h := newCertifiedHouse(t)
	h.put("k", "v")
	refused(t, "put", ignore(h.Put(h.ctx, "other", "v")), rpctypes.ErrPermissionDenied)
	refused(t, "list", ignore(h.UserList(h.ctx)), rpctypes.ErrPermissionDenied)
	other := connect(t, func(c *clientv3.Config) { c.TLS = otherCertificate(t) })
	users, err := other.UserList(h.ctx)
	must(t, err)
	equal(t, "users", fmt.Sprint(users.Users), "[alice root]")
}

func TestPasswordWinsOverTheCertificate(t *testing.T) {
	h := newCertifiedHouse(t)
	must(t, ignore(h.login("root", "root's").UserList(h.ctx)))
	alice := connect(t, func(c *clientv3.Config) {
		c.TLS = otherCertificate(t)
		c.Username, c.Password = "alice", "alice's"
	})
	refused(t, "list", ignore(alice.UserList(h.ctx)), rpctypes.ErrPermissionDenied)
	must(t, ignore(alice.Put(h.ctx, h.key("k"), "v")))
}

func TestBadTokenIsNotForgivenForACertificate(t *testing.T) {
	h := newCertifiedHouse(t)
	client := connect(t, func(c *clientv3.Config) { c.Token = "none.of.theirs" })
	refused(t, "get", ignore(client.Get(h.ctx, h.key("k"))), rpctypes.ErrInvalidAuthToken)
}

func TestRightsChangeUnderACertificate(t *testing.T) {
	h := newCertifiedHouse(t)
	watch := h.watching()
	h.put("k", "1")
	h.told("before", watch, "+k=1")
	must(t, ignore(h.root.UserRevokeRole(h.ctx, "alice", "part")))
	refused(t, "put", ignore(h.Put(h.ctx, h.key("k"), "2")), rpctypes.ErrPermissionDenied)
	h.write("k", "3")
	h.told("a watch from before", watch, "~k=3")
	must(t, ignore(h.root.UserDelete(h.ctx, "alice")))
	refused(t, "get", ignore(h.Get(h.ctx, h.key("k"))), rpctypes.ErrPermissionDenied)
	must(t, ignore(h.MemberList(h.ctx)))
}
