"""What cannot be started is refused as a real etcd refuses it: same status, same words."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from etcdpy.config import FLAGS
from tests.lifecycle.process import Process
from tests.support.certificates import Authority
from tests.support.child import TIMEOUT, environment
from tests.support.ports import free_port
from tests.support.servers import reference_binary
from tests.unit.auth.keys import private, public

AES_128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
AES_256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"

#: A member that could be served, but for what each case adds; no port is ever bound.
MEMBER = (
    "--data-dir=data",
    "--name=n1",
    "--initial-cluster=n1=http://127.0.0.1:1",
    "--initial-advertise-peer-urls=http://127.0.0.1:1",
    "--listen-peer-urls=http://127.0.0.1:0",
    "--listen-client-urls=http://127.0.0.1:0",
    "--advertise-client-urls=http://127.0.0.1:2379",
)

#: The same over TLS; which files there are is said in ``certificates``.
HTTPS = "--listen-client-urls=https://127.0.0.1:0"
PAIR = ("--cert-file=server.pem", "--key-file=server-key.pem")
SECURED = (HTTPS, *PAIR)

CASES: dict[str, Sequence[str]] = {
    "unknown flag": ["--bogus"],
    "flag of an etcd long gone": ["--proxy-failure-wait=x"],
    "flag without its value": ["--name"],
    "value that is no number": ["--max-txn-ops=abc"],
    "negative value": ["--max-txn-ops=-1"],
    "value out of range": ["--max-concurrent-streams=4294967296"],
    "duration without a unit": ["--warning-apply-duration=5"],
    "boolean that is none": ["--unsafe-no-fsync=maybe"],
    "word after a boolean": ["--unsafe-no-fsync", "false"],
    "URL without a port": ["--listen-client-urls=http://127.0.0.1"],
    "URL with a path": ["--listen-client-urls=http://127.0.0.1:1/x"],
    "URL of another scheme": ["--advertise-client-urls=ftp://127.0.0.1:1"],
    "host name to listen on": ["--listen-client-urls=http://example.com:1"],
    "client URL without a host": ["--advertise-client-urls=http://:1"],
    "peer URL without a host": ["--initial-advertise-peer-urls=http://:1"],
    "host name to listen on for HTTP": ["--listen-client-http-urls=http://example.com:1"],
    "host name to tell metrics on": ["--listen-metrics-urls=http://example.com:1"],
    "secure clients": ["--listen-client-urls=https://127.0.0.1:0"],
    "secure clients on a socket": ["--listen-client-urls=unixs://s"],
    "secure clients of HTTP": ["--listen-client-http-urls=https://127.0.0.1:0"],
    "one address for clients twice": [
        "--listen-client-urls=http://127.0.0.1:2379",
        "--listen-client-http-urls=http://127.0.0.1:2379",
    ],
    "secure metrics": ["--listen-metrics-urls=https://127.0.0.1:0"],
    "secure metrics on a socket": ["--listen-metrics-urls=unixs://s"],
    "metrics with half a certificate": [
        "--listen-metrics-urls=https://127.0.0.1:0",
        "--cert-file=none",
    ],
    "metrics with a certificate that is missing": [
        "--listen-metrics-urls=https://127.0.0.1:0",
        "--cert-file=none",
        "--key-file=none",
    ],
    "secure peers": ["--listen-peer-urls=https://127.0.0.1:PORT"],
    "secure peers with half a certificate": [
        "--listen-peer-urls=https://127.0.0.1:0",
        "--peer-key-file=none",
    ],
    "peers called with half a certificate": ["--peer-cert-file=none"],
    "certificate for clients that is never valid": ["--auto-tls", "--self-signed-cert-validity=0"],
    "certificate for peers that is never valid": [
        "--peer-auto-tls",
        "--self-signed-cert-validity=0",
    ],
    "cipher suite": ["--cipher-suites=NOPE"],
    "secure metrics and a retention": [
        "--listen-metrics-urls=https://127.0.0.1:0",
        "--auto-compaction-retention=1.5",
    ],
    "secure metrics and another name": [
        "--listen-metrics-urls=https://127.0.0.1:0",
        "--name=other",
    ],
    "state of a cluster": ["--initial-cluster-state=foo"],
    "name not in the cluster": ["--name=other"],
    "no heartbeat": ["--heartbeat-interval=0"],
    "no election": ["--election-timeout=0"],
    "election too short": ["--election-timeout=400"],
    "election too long": ["--election-timeout=60000"],
    "compaction mode": ["--auto-compaction-mode=foo"],
    "compaction retention": ["--auto-compaction-retention=1.5"],
    "log level": ["--log-level=loud"],
    "log format": ["--log-format=xml"],
    "logger": ["--logger=foo"],
    "default output and another": ["--log-outputs=default,stdout"],
    "output that cannot be made": ["--log-outputs=none/etcd.log"],
    "rotation without a file": ["--enable-log-rotation"],
    "rotation that is no JSON": [
        "--enable-log-rotation",
        "--log-outputs=etcd.log",
        "--log-rotation-config-json={",
    ],
    "rotation of a wrong type": [
        "--enable-log-rotation",
        "--log-outputs=etcd.log",
        '--log-rotation-config-json={"maxsize":"x"}',
    ],
    "file that is missing": ["--config-file=none.yml"],
    "wrong type in a file": ["--config-file=type.yml"],
    "bad URL in a file": ["--config-file=url.yml"],
    "unknown flag beside a file": ["--config-file=type.yml", "--bogus"],
    "type of tokens": ["--auth-token=bogus"],
    "option of tokens": ["--auth-token=simple,a"],
    "option of tokens twice": ["--auth-token=simple,a=b,a=c"],
    "signed tokens without a method": ["--auth-token=jwt"],
    "signed tokens of an unknown method": ["--auth-token=jwt,sign-method=rs256"],
    "signed tokens without a signature": ["--auth-token=jwt,sign-method=none"],
    "signed tokens without a key": ["--auth-token=jwt,sign-method=RS256"],
    "signed tokens without a secret": ["--auth-token=jwt,sign-method=HS256,pub-key=one.pem"],
    "signed tokens with a bad time": ["--auth-token=jwt,sign-method=RS256,ttl=5"],
    "key that is missing": ["--auth-token=jwt,sign-method=RS256,priv-key=none.pem"],
    "key that is none": ["--auth-token=jwt,sign-method=RS256,priv-key=type.yml"],
    "key of another method": ["--auth-token=jwt,sign-method=RS256,priv-key=one.pem"],
    "keys that do not belong together": [
        "--auth-token=jwt,sign-method=ES256,priv-key=one.pem,pub-key=other.pem"
    ],
    "bad variable": ["ETCD_MAX_TXN_OPS=abc"],
    "shadowed variable": ["ETCD_NAME=other"],
    "https without a certificate": [HTTPS],
    "https with authorities alone": [HTTPS, "--trusted-ca-file=authority.pem"],
    "unixs without a certificate": ["--listen-client-urls=unixs://socket"],
    "certificate without a key": [HTTPS, PAIR[0]],
    "key without a certificate": [HTTPS, PAIR[1]],
    "certificate that is missing": [HTTPS, "--cert-file=none.pem", PAIR[1]],
    "key of TLS that is missing": [HTTPS, PAIR[0], "--key-file=none.pem"],
    "certificate that is a directory": [HTTPS, "--cert-file=.", PAIR[1]],
    "certificate that is none": [HTTPS, "--cert-file=type.yml", PAIR[1]],
    "key of TLS that is none": [HTTPS, PAIR[0], "--key-file=type.yml"],
    "certificate that is a key": [HTTPS, "--cert-file=server-key.pem", PAIR[1]],
    "key that is a certificate": [HTTPS, PAIR[0], "--key-file=server.pem"],
    "key of another certificate": [HTTPS, PAIR[0], "--key-file=other-key.pem"],
    "key of another type": [HTTPS, PAIR[0], "--key-file=rsa-key.pem"],
    "certificate that is damaged": [HTTPS, "--cert-file=damaged.pem", PAIR[1]],
    "key that is damaged": [HTTPS, PAIR[0], "--key-file=damaged-key.pem"],
    "authorities that are missing": [*SECURED, "--trusted-ca-file=none.pem"],
    "authority that is a key": [*SECURED, "--trusted-ca-file=server-key.pem"],
    "cipher suite over TLS": [*SECURED, "--cipher-suites=NOPE"],
    "cipher suite in small letters": [*SECURED, f"--cipher-suites={AES_128.lower()}"],
    "cipher suite without TLS": ["--cipher-suites=NOPE"],
    "no cipher suite": [*SECURED, "--cipher-suites="],
    "cipher suites without one of HTTP/2": [*SECURED, f"--cipher-suites={AES_256}"],
    "cipher suites of TLS 1.3": [*SECURED, "--cipher-suites=TLS_AES_128_GCM_SHA256"],
    "version of TLS": [*SECURED, "--tls-min-version=TLS1.1"],
    "greatest version of TLS": [*SECURED, "--tls-max-version=TLS1.4"],
    "versions the wrong way round": ["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
    "cipher suites for TLS 1.3 alone": ["--tls-min-version=TLS1.3", f"--cipher-suites={AES_128}"],
    "generated certificate of no years": [HTTPS, "--auto-tls", "--self-signed-cert-validity=0"],
    "half a pair instead of a generated one": [HTTPS, "--auto-tls", PAIR[0]],
    "wrong type in a section of a file": ["--config-file=section.yml"],
}

#: Cases in which older releases use other words, or have no such flag.
SINCE_3_6 = {
    "flag of an etcd long gone",
    "value out of range",
    "duration without a unit",
    "word after a boolean",
    "client URL without a host",
    "log format",
    "output that cannot be made",
    "rotation of a wrong type",
    "wrong type in a file",
    "host name to listen on for HTTP",
    "secure clients on a socket",
    "secure clients of HTTP",
    "one address for clients twice",
    "secure metrics",
    "secure metrics on a socket",
    "key that is none",
    "key of another method",
    "keys that do not belong together",
    # Its Go has other words.
    "key of another certificate",
    "certificate that is damaged",
    "authority that is a key",
    "generated certificate of no years",
    "unixs without a certificate",
    # Its last word is about the listener that it closes.
    "cipher suites without one of HTTP/2",
    "cipher suites of TLS 1.3",
    # It has no such flag.
    "version of TLS",
    "greatest version of TLS",
    "versions the wrong way round",
    "cipher suites for TLS 1.3 alone",
    "wrong type in a section of a file",
}

FILES = {
    "type.yml": "max-txn-ops: abc\n",
    "url.yml": "listen-client-urls: foo\n",
    "one.pem": private("P-256").decode(),
    "other.pem": public("P-256/other").decode(),
    "section.yml": "client-transport-security: {allowed-hostname: a}\n",
}

Outcome = tuple[int, str]


def last_word(status: int, err: str) -> Outcome:
    """The status, and what a process ended with: a line, or the error of one in the log."""
    lines = [line for line in err.splitlines() if line]
    if not lines[-1].startswith("{"):
        return status, lines[0]  # the usage, or a trace, follows
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    # What else is under way in etcd may have something to say behind it.
    fatal = [entry for entry in entries if entry["level"] in ("fatal", "panic")]
    ending = (fatal or entries)[-1]
    return status, ending.get("error") or ending["msg"]


def started(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Sort the words of a case into arguments and variables."""
    variables = dict(word.split("=", 1) for word in words if word.startswith("ETCD_"))
    arguments = [word for word in words if not word.startswith("ETCD_")]
    return [*MEMBER, *arguments], variables


def of_etcd(program: Path, words: Sequence[str], cwd: Path) -> Outcome:
    arguments, variables = started(words)
    ended = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(variables),
        timeout=TIMEOUT,
    )
    return last_word(ended.returncode, ended.stderr)


def of_etcdpy(words: Sequence[str], cwd: Path) -> Outcome:
    arguments, variables = started(words)
    with Process(*arguments, environment=variables, cwd=cwd) as process:
        status, _, err = process.output()
    return last_word(status, err)


@pytest.fixture(scope="module")
def program() -> Path:
    return reference_binary()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the cases about TLS name."""
    authority = Authority.make(tmp_path_factory.mktemp("certificates"))
    server = authority.server()
    authority.server("other")
    authority.server("rsa", key=rsa.generate_private_key(65537, 2048))
    for path in server:
        damaged = path.with_name(path.name.replace("server", "damaged"))
        damaged.write_bytes(path.read_bytes().replace(b"M", b"A", 3))
    return authority.folder


@pytest.fixture(scope="module")
def is_old(program: Path) -> bool:
    """Whether the etcd to compare with is older than 3.6."""
    text = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    major, minor = text.split()[2].split(".")[:2]
    return (int(major), int(minor)) < (3, 6)


def test_every_flag_of_its_help_is_known(program: Path, is_old: bool) -> None:
    if is_old:
        pytest.skip("an older etcd has flags that are gone now")
    ended = subprocess.run([program, "--help"], capture_output=True, text=True)
    listed = set(re.findall(r"^  --([a-z0-9-]+)", ended.stdout + ended.stderr, re.MULTILINE))
    # The first two it lists, and does not know.
    assert listed - {"discovery", "discovery-proxy"} == FLAGS.keys() - {"config-file", "transport"}


@pytest.mark.parametrize("case", CASES)
def test_refusal_is_etcds(
    tmp_path: Path, program: Path, is_old: bool, certificates: Path, case: str
) -> None:
    if is_old and case in SINCE_3_6:
        pytest.skip("an older etcd says it in other words")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for file in certificates.iterdir():
        shutil.copy(file, tmp_path)
    port = str(free_port())
    words = [word.replace("PORT", port) for word in CASES[case]]
    assert of_etcdpy(words, tmp_path) == of_etcd(program, words, tmp_path)
