"""``etcdpy snapshot save|status|restore``: etcdctl's and etcdutl's commands of these names."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from etcdpy import config as settings
from etcdpy import logs
from etcdpy.cli.parser import Parser, WrongWordsError
from etcdpy.cli.snapshot_output import FORMATS
from etcdpy.logs.progress import progress
from etcdpy.node.cluster_ids import cluster_id, member_id
from etcdpy.storage.bolt_read import BoltReader
from etcdpy.storage.errors import StorageError
from etcdpy.storage.snapshot_file import check_checksum, open_snapshot

__all__ = ["main", "make_parser"]

logger = logging.getLogger(__name__)

#: etcdutl's exit statuses.
EXIT_OK = 0
EXIT_ERROR = 1
EXIT_BAD_ARGUMENTS = 128
#: What a shell makes of a program that SIGINT ends.
EXIT_INTERRUPTED = 130


class _Refused(Exception):  # noqa: N818 - reads as what happened
    """The command cannot be done; the text says why."""

    def __init__(self, message: str, status: int = EXIT_ERROR) -> None:
        super().__init__(message)
        self.status = status


def main(arguments: Sequence[str]) -> int:
    """Run ``etcdpy snapshot`` with the words behind it and return the exit status."""
    # Ctrl-C raises here, so that what is half done is cleaned up; ``cli.main`` lets it kill.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        options = make_parser().parse_args(_go_booleans(arguments))
        if not options.command:
            raise _Refused("snapshot needs a command: save, status or restore")
        run: Callable[[argparse.Namespace], None] = options.run
        run(options)
    except _Refused as refused:
        return _fail(str(refused), refused.status)
    except WrongWordsError as error:
        return _fail(str(error), EXIT_ERROR)
    except (StorageError, OSError, settings.UsageError, settings.InvalidConfigError) as error:
        return _fail(str(error), EXIT_ERROR)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_OK


def _save(options: argparse.Namespace) -> None:
    # grpc takes longer to import than the other commands take to run.
    from etcdpy.cli.snapshot_save import Endpoint, save

    endpoints = [text for text in options.endpoints.split(",") if text]
    if len(endpoints) != 1:
        listed = " ".join(endpoints)
        raise _Refused(
            f"snapshot must be requested to one selected node, not multiple [{listed}]",
            EXIT_BAD_ARGUMENTS,
        )
    certificates = (options.cacert, options.cert, options.key)
    endpoint = Endpoint(endpoints[0], certificates, _user(options.user, options.password))
    with progress("saving snapshot") as show:
        version = save(endpoint, options.filename, lambda done, left: show(done, done + left))
    print(f"Snapshot saved at {options.filename}")
    if version:
        print(f"Server version {version}")


def _user(user: str, password: str | None) -> str:
    """Return ``name:password``, or ``""`` for nobody; asks for a password that is not given."""
    if password is not None:
        if not user:
            raise _Refused("--user is required with --password", EXIT_BAD_ARGUMENTS)
        return f"{user}:{password}"
    if not user or ":" in user:
        return user
    return f"{user}:{getpass.getpass()}"


def _status(options: argparse.Namespace) -> None:
    from etcdpy.storage.snapshot_status import read_status

    with open_snapshot(options.filename) as data, progress("reading snapshot") as show:
        status = read_status(BoltReader(data), show)
    print(FORMATS[options.write_out](status))


def _restore(options: argparse.Namespace) -> None:
    from etcdpy.storage.snapshot_restore import check_new, restore_snapshot

    if (options.bump_revision > 0) != options.mark_compacted:
        raise _Refused("--mark-compacted required if --revision-bump > 0")
    # No environment: what was meant for a server must not decide what a restore founds.
    config = settings.load(_founding_flags(options), {}, lambda *_: None)
    # For a server ``load`` puts its name into the default; a restore has to be given it.
    config = replace(config, initial_cluster=options.initial_cluster)
    settings.check_bootstrap(config)
    data_dir = options.data_dir or Path(f"{options.name}.etcd")
    peer_urls = [str(url) for url in config.initial_advertise_peer_urls]
    own_id = member_id(peer_urls, options.initial_cluster_token)
    member = {"id": own_id, "peerURLs": peer_urls, "name": options.name}
    check_new(data_dir)
    # etcdutl's lines, in its format.
    logs.configure(logging.INFO, "console")
    places: dict[str, object] = {
        "path": str(options.filename),
        # What here takes the places of the two that etcdutl names.
        "wal-dir": str(data_dir / "member" / "journal"),
        "data-dir": str(data_dir),
        "snap-dir": str(data_dir / "member" / "lmdb"),
    }
    logger.info("restoring snapshot", places)
    with open_snapshot(options.filename) as data:
        # Before anything is read: a damaged file is called that.
        if not options.skip_hash_check:
            with progress("checking snapshot") as show:
                check_checksum(data, show)
        logger.info("Trimming membership information from the backend...")
        reader = BoltReader(data)
        logs.flush()
        with progress("restoring snapshot") as show:
            restore_snapshot(
                reader,
                data_dir,
                {b"%016x" % own_id: json.dumps(member, separators=(",", ":")).encode()},
                bump_revision=options.bump_revision,
                progress=lambda done: show(done, reader.size),
            )
    added = {
        "cluster-id": f"{cluster_id(own_id):x}",
        "local-member-id": "0",
        "added-peer-id": f"{own_id:x}",
        "added-peer-peer-urls": peer_urls,
        "added-peer-is-learner": False,
    }
    logger.info("added member", added)
    logger.info("restored snapshot", places)
    _verify(replace(config, data_dir=str(data_dir)))
    logs.flush()
    print(f"Snapshot restored into {data_dir}")


def _verify(config: settings.Config) -> None:
    """Check what was restored, if the environment asks for it, as etcdutl does."""
    from etcdpy.server.verification import VerificationError, verify_if_wanted

    try:
        verify_if_wanted(config)
    except VerificationError as error:
        raise _Refused(str(error)) from error


def _founding_flags(options: argparse.Namespace) -> list[str]:
    """Return the server's flags that say who the member is, to be read as a server does."""
    names = ("name", "initial-cluster", "initial-cluster-token", "initial-advertise-peer-urls")
    return [f"--{name}={getattr(options, name.replace('-', '_'))}" for name in names]


def make_parser() -> Parser:
    """Return what reads the words behind the command's name."""
    parser = Parser("etcdpy snapshot", description="Move between etcdpy and etcd.")
    # Required only by hand: what argparse says when it is missing names no command.
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="command", parser_class=Parser
    )
    for add in (_add_save, _add_status, _add_restore):
        add(commands).add_argument("filename", type=Path, help="the snapshot")
    return parser


def _add_save(commands: argparse._SubParsersAction[Parser]) -> Parser:
    does = "stream a running server's snapshot into a file"
    save = commands.add_parser("save", help=does, description=f"{does.capitalize()}.")
    save.set_defaults(run=_save)
    server = save.add_argument_group("the server")
    server.add_argument(
        "--endpoints",
        metavar="ADDRESS",
        default="127.0.0.1:2379",
        help="which one to ask (%(default)s)",
    )
    tls = save.add_argument_group("over TLS")
    tls.add_argument("--cacert", metavar="FILE", default="", help="file of the CA's certificate")
    tls.add_argument("--cert", metavar="FILE", default="", help="file of the client's certificate")
    tls.add_argument("--key", metavar="FILE", default="", help="file of the client's key")
    who = save.add_argument_group("authentication")
    who.add_argument("--user", default="", help="name:password; without a password it is asked for")
    who.add_argument("--password", help="of the user; then --user is the name alone")
    return save


def _add_status(commands: argparse._SubParsersAction[Parser]) -> Parser:
    does = "check a file and sum it up"
    status = commands.add_parser("status", help=does, description=f"{does.capitalize()}.")
    status.set_defaults(run=_status)
    status.add_argument(
        "-w",
        "--write-out",
        metavar="FORMAT",
        choices=sorted(FORMATS),
        default="simple",
        help=f"{', '.join(sorted(FORMATS))} (%(default)s)",
    )
    return status


def _add_restore(commands: argparse._SubParsersAction[Parser]) -> Parser:
    does = "make a data directory of a file"
    restore = commands.add_parser("restore", help=does, description=f"{does.capitalize()}.")
    restore.set_defaults(run=_restore)
    _add_founding(restore.add_argument_group("the member that is made"))
    file = restore.add_argument_group("the file")
    file.add_argument(
        "--skip-hash-check",
        action="store_true",
        help="needed for the file of a data directory (member/snap/db)",
    )
    revisions = restore.add_argument_group("revisions")
    revisions.add_argument(
        "--bump-revision",
        metavar="COUNT",
        type=_count,
        default=0,
        help="go on this many revisions above the newest",
    )
    revisions.add_argument(
        "--mark-compacted", action="store_true", help="compact all before; with --bump-revision"
    )
    return restore


def _add_founding(group: argparse._ArgumentGroup) -> None:
    url = "http://localhost:2380"
    group.add_argument("--data-dir", metavar="DIR", type=Path, help="to make (NAME.etcd)")
    group.add_argument("--name", default="default", help="of this member (%(default)s)")
    group.add_argument(
        "--initial-cluster",
        metavar="MEMBERS",
        default=f"default={url}",
        help="this member alone (%(default)s)",
    )
    group.add_argument(
        "--initial-cluster-token",
        metavar="TOKEN",
        default="etcd-cluster",
        help="what the cluster's ID is made of, too (%(default)s)",
    )
    group.add_argument(
        "--initial-advertise-peer-urls",
        metavar="URLS",
        default=url,
        help="of this member (%(default)s)",
    )


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number < 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 2**63 - 1")
    return number


def _go_booleans(arguments: Sequence[str]) -> list[str]:
    """Take ``--flag=true`` and ``--flag=false`` for flags that are there or not."""
    plain = []
    for word in arguments:
        name, _, value = word.partition("=")
        if name not in ("--skip-hash-check", "--mark-compacted") or value in ("", "true"):
            plain.append(name if value == "true" else word)
        elif value != "false":
            plain.append(word)
    return plain


def _fail(message: str, status: int) -> int:
    # The error is about what was logged before it.
    logs.flush()
    print(f"Error: {message}", file=sys.stderr)
    return status
