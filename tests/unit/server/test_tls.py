"""From settings to secured connections: which certificates serve, and which clients are let in."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from etcdpy.server.cipher_suites import CipherSuitesError
from etcdpy.server.pem import UnusableFileError
from etcdpy.server.tls import ServerSecurity
from etcdpy.server.tls_info import TlsInfo
from etcdpy.transport import PeerRefusedError
from tests.support.certificates import Authority, Pair

AES_128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.server()


def info_of(pair: Pair, **others: Any) -> TlsInfo:
    return TlsInfo(str(pair.certificate), str(pair.key), **others)


class Met:
    """What both sides know of each other behind a handshake."""

    def __init__(self, server: ssl.SSLObject, client: ssl.SSLObject) -> None:
        self.server = server
        self.client = client

    @property
    def serial(self) -> int:
        """Of the server's certificate."""
        return int(str((self.client.getpeercert() or {})["serialNumber"]), 16)


def meet(security: ServerSecurity, trusting: ssl.SSLContext) -> Met:
    """Shake hands in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = security.context().wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server, server_hostname="localhost")
    waiting = [client, server]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    return Met(server, client)


class TestFiles:
    @pytest.mark.parametrize(
        ("certificate", "key"), [("c", ""), ("", "k")], ids=["certificate", "key"]
    )
    def test_one_without_the_other_is_refused(self, certificate: str, key: str) -> None:
        with pytest.raises(UnusableFileError) as error:
            ServerSecurity(TlsInfo(certificate, key))
        text = f"KeyFile and CertFile must both be present[key: {key}, cert: {certificate}]"
        assert str(error.value) == text

    def test_pair_that_etcd_would_call_itself_with_is_looked_at(self, pair: Pair) -> None:
        certificate = str(pair.certificate)
        with pytest.raises(UnusableFileError) as error:
            ServerSecurity(info_of(pair, client_certificate=certificate))
        assert str(error.value) == (
            "ClientKeyFile and ClientCertFile must both be present or both absent: "
            f"key: , cert: {certificate}]"
        )
        with pytest.raises(UnusableFileError, match="no such file"):
            ServerSecurity(info_of(pair, client_certificate=certificate, client_key="/none"))
        ServerSecurity(info_of(pair, client_certificate=certificate, client_key=str(pair.key)))

    def test_mistakes_in_the_pair_are_told_before_those_in_the_authorities(
        self, pair: Pair
    ) -> None:
        with pytest.raises(UnusableFileError, match=r"^open /pair: no such file"):
            ServerSecurity(TlsInfo("/pair", "/pair", authorities="/authorities"))
        with pytest.raises(UnusableFileError, match=r"^open /authorities: no such file"):
            ServerSecurity(info_of(pair, authorities="/authorities"))

    def test_suites_have_to_have_one_for_http2(self, pair: Pair) -> None:
        suites = ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",)
        with pytest.raises(CipherSuitesError, match="HTTP/2-required"):
            ServerSecurity(info_of(pair, suites=suites))

    def test_short_keys_serve_as_in_go(self, authority: Authority) -> None:
        short = authority.server("short", key=rsa.generate_private_key(65537, 1024))
        ServerSecurity(info_of(short))

    def test_renewed_pair_serves_the_next_handshake(
        self, authority: Authority, pair: Pair, caplog: pytest.LogCaptureFixture
    ) -> None:
        security = ServerSecurity(info_of(pair))
        trusting = authority.trusting()
        first = pair.serial
        assert meet(security, trusting).serial == first
        assert security.context() is security.context()
        with caplog.at_level(logging.INFO):
            authority.server()
            renewed = pair.serial
            assert renewed != first
            assert meet(security, trusting).serial == renewed
        assert [record.msg for record in caplog.records] == ["read changed certificate"]

    @pytest.mark.parametrize(
        "break_it",
        [
            lambda pair: pair.key.unlink(),
            lambda pair: pair.certificate.write_text(""),
            lambda pair: pair.certificate.write_bytes(pair.certificate.read_bytes()[:300]),
        ],
        ids=["gone", "empty", "half"],
    )
    def test_half_written_pair_leaves_the_last_one_serving(
        self,
        authority: Authority,
        pair: Pair,
        caplog: pytest.LogCaptureFixture,
        break_it: Callable[[Pair], object],
    ) -> None:
        security = ServerSecurity(info_of(pair))
        trusting = authority.trusting()
        first = pair.serial
        break_it(pair)
        for _ in range(3):
            assert meet(security, trusting).serial == first
        # Once, and not for each handshake.
        (record,) = caplog.records
        assert record.msg == "cannot use changed certificate, keeping the last one"
        authority.server()
        assert meet(security, trusting).serial == pair.serial

    def test_authorities_are_those_of_the_start(
        self, authority: Authority, pair: Pair, tmp_path: Path
    ) -> None:
        security = ServerSecurity(info_of(pair, authorities=str(authority.path)))
        trusting = authority.trusting(authority.client("alice"))
        other = Authority.make(tmp_path / "other", "other")
        authority.path.write_bytes(other.path.read_bytes())
        meet(security, trusting)
        authority.server()
        meet(security, trusting)


class TestVersions:
    @pytest.mark.parametrize(
        ("least", "most", "version"),
        [("TLS1.2", "", "TLSv1.3"), ("", "TLS1.2", "TLSv1.2"), ("TLS1.3", "TLS1.3", "TLSv1.3")],
    )
    def test_best_of_those_allowed_is_spoken(
        self, authority: Authority, pair: Pair, least: str, most: str, version: str
    ) -> None:
        security = ServerSecurity(info_of(pair, least=least, most=most))
        assert meet(security, authority.trusting()).client.version() == version

    def test_suite_is_one_of_those_chosen(self, authority: Authority, pair: Pair) -> None:
        security = ServerSecurity(info_of(pair, suites=(AES_128,), most="TLS1.2"))
        suite = meet(security, authority.trusting()).client.cipher()
        assert suite is not None
        assert suite[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"

    def test_protocols_are_those_of_grpc_and_of_the_web(
        self, authority: Authority, pair: Pair
    ) -> None:
        security = ServerSecurity(info_of(pair))
        for offered, chosen in ((("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1")):
            met = meet(security, authority.trusting(None, *offered))
            assert met.client.selected_alpn_protocol() == chosen


class TestClients:
    def asking(self, authority: Authority, pair: Pair, **others: Any) -> ServerSecurity:
        return ServerSecurity(info_of(pair, authorities=str(authority.path), **others))

    def test_nobody_is_asked_without_authorities(self, authority: Authority, pair: Pair) -> None:
        security = ServerSecurity(info_of(pair, allowed_names=("x",), revoked="/none"))
        met = meet(security, authority.trusting(authority.client("alice")))
        assert security.identify(met.server) is None

    @pytest.mark.parametrize("identifies", [True, False])
    def test_authorities_alone_make_a_certificate_necessary(
        self, authority: Authority, pair: Pair, identifies: bool
    ) -> None:
        security = self.asking(authority, pair, identifies=identifies)
        with pytest.raises(ssl.SSLError, match=r"(?i)peer.did.not.return.a.certificate"):
            meet(security, authority.trusting())

    def test_certificate_of_another_authority_is_refused(
        self, authority: Authority, pair: Pair, tmp_path: Path
    ) -> None:
        other = Authority.make(tmp_path / "other", "other")
        security = self.asking(authority, pair)
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            meet(security, authority.trusting(other.client("mallory")))

    def test_expired_certificate_is_refused(self, authority: Authority, pair: Pair) -> None:
        with pytest.raises(ssl.SSLError, match="certificate has expired"):
            meet(
                self.asking(authority, pair),
                authority.trusting(authority.client("late", days=-2)),
            )

    def test_file_without_authorities_refuses_everybody(
        self, authority: Authority, pair: Pair, tmp_path: Path
    ) -> None:
        empty = tmp_path / "empty.pem"
        empty.write_text("")
        security = ServerSecurity(info_of(pair, authorities=str(empty)))
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            meet(security, authority.trusting(authority.client("alice")))

    def test_without_a_file_the_authorities_of_the_system_count(
        self, authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = authority.trusting(authority.client("alice"))
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            meet(ServerSecurity(info_of(pair, identifies=True)), alice)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        security = ServerSecurity(info_of(pair, identifies=True))
        assert security.identify(meet(security, alice).server) == "alice"

    @pytest.mark.parametrize("name", ["alice", None])
    def test_name_says_who_a_client_is_only_if_that_is_asked_for(
        self, authority: Authority, pair: Pair, name: str | None
    ) -> None:
        trusting = authority.trusting(authority.client(name))
        security = self.asking(authority, pair, identifies=True)
        assert security.identify(meet(security, trusting).server) == (name or "")
        security = self.asking(authority, pair)
        assert security.identify(meet(security, trusting).server) is None

    def test_certificate_that_is_trusted_itself_needs_no_authority(
        self, authority: Authority, pair: Pair
    ) -> None:
        alice = authority.client("alice")
        security = ServerSecurity(info_of(pair, authorities=str(alice.certificate)))
        meet(security, authority.trusting(alice))

    def test_certificate_has_to_be_for_a_name_that_is_allowed(
        self, authority: Authority, pair: Pair
    ) -> None:
        security = self.asking(authority, pair, allowed_names=("b", "a.example"))
        good = authority.client("good", ["*.example"])
        security.identify(meet(security, authority.trusting(good)).server)
        bad = authority.client("bad", ["x", "10.0.0.1"])
        with pytest.raises(PeerRefusedError) as error:
            security.identify(meet(security, authority.trusting(bad)).server)
        assert str(error.value) == "client certificate authentication failed"
        assert error.value.fields == {"ip-addresses": ["10.0.0.1"], "dns-names": ["x"]}

    @pytest.mark.parametrize("most", ["TLS1.2", "TLS1.3"])
    def test_revoked_certificate_is_refused(
        self, authority: Authority, pair: Pair, most: str
    ) -> None:
        bad = authority.client("bad")
        revoked = str(authority.revoke(bad.serial))
        security = self.asking(authority, pair, revoked=revoked, most=most)
        good = authority.trusting(authority.client("good"))
        assert security.identify(meet(security, good).server) is None
        with pytest.raises(PeerRefusedError) as error:
            security.identify(meet(security, authority.trusting(bad)).server)
        assert str(error.value) == f"transport: certificate serial {bad.serial:x} revoked"

    def test_revoked_authority_between_refuses_whom_it_has_signed(
        self, authority: Authority, pair: Pair
    ) -> None:
        """Any certificate that is shown counts, and not the client's alone."""
        between = authority.between("between")
        alice = between.client("alice")
        chain = alice.certificate.read_bytes() + between.path.read_bytes()
        alice.certificate.write_bytes(chain)
        revoked = str(authority.revoke(between.serial))
        security = self.asking(authority, pair, revoked=revoked)
        with pytest.raises(PeerRefusedError, match=r"revoked$"):
            security.identify(meet(security, authority.trusting(alice)).server)


def test_rejections_are_logged_as_etcd_logs_them(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    ServerSecurity(info_of(pair)).rejected("10.0.0.1:5", "a", "why", {"dns-names": ["x"]})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.msg == "rejected connection on client endpoint"
    assert isinstance(record.args, dict)
    assert list(record.args.items()) == [
        ("remote-addr", "10.0.0.1:5"),
        ("server-name", "a"),
        ("dns-names", ["x"]),
        ("error", "why"),
    ]
