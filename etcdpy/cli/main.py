"""The command ``etcdpy``: from words to a running server, and from its end to an exit status."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

from etcdpy import config as settings
from etcdpy import logs
from etcdpy.server import process_state

__all__ = ["main"]

logger = logging.getLogger(__name__)

#: What the first word can be.
COMMANDS = ("snapshot", "audit", "test-server", "completion")

#: etcd's exit statuses: settings that cannot be used, a command line that does not parse, and a
#: mistake in the program.
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_PANIC = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the server that the command line asks for and return the exit status.

    After SIGTERM or SIGINT it does not return: the process ends by that signal.

    """
    process_state.take_over()
    # Before the settings are known: what is wrong with them is a line of the log, too.
    words = sys.argv[1:] if arguments is None else arguments
    is_said = settings.mentions("log-format", words, os.environ)
    logs.configure(logging.INFO, "json" if is_said else logs.FOR_THE_READER)
    try:
        return _main(words)
    finally:
        logs.flush()


def _main(arguments: Sequence[str]) -> int:
    # As in ``etcdmain.Main`` the first word alone chooses another program.
    if arguments and arguments[0] == "snapshot":
        from etcdpy.cli import snapshot as snapshot_cli

        return snapshot_cli.main(arguments[1:])
    if arguments and arguments[0] == "audit":
        from etcdpy.cli import audit as audit_cli

        return audit_cli.main(arguments[1:])
    if arguments and arguments[0] == "test-server":
        from etcdpy.cli import test_server

        return test_server.main(arguments[1:])
    if arguments and arguments[0] == "completion":
        from etcdpy.cli import completion

        return completion.main(arguments[1:])
    if arguments and arguments[0] in ("gateway", "grpc-proxy"):
        return _refuse(f"etcdpy has no {arguments[0]}; etcd's own works in front of it")
    try:
        config = _load(arguments)
    except settings.HelpRequested:
        return _help()
    except settings.VersionRequested:
        return _version()
    except settings.UsageError as error:
        return _wrong_usage(error)
    except settings.UnusableFileError as error:
        return _refuse(str(error))
    except settings.UnknownLogLevelError as error:
        # etcd panics here, and this is the first line of it.
        _refuse(f"panic: {error}")
        return EXIT_PANIC
    except settings.ShadowedVariableError as error:
        logger.critical(str(error), {"environment-variable": error.variable})
        return EXIT_REFUSED
    except settings.InvalidConfigError as error:
        # etcd logs its arguments first, though it then refuses them. (``startEtcdOrProxyV2``)
        logger.info("Running: ", {"args": sys.argv})
        logger.warning("failed to verify flags", {"error": str(error)})
        _hint_at_command(arguments)
        return EXIT_REFUSED
    logger.info("Running: ", {"args": sys.argv})
    return _serve(settings.with_data_dir(config, _note))


def _load(arguments: Sequence[str]) -> settings.Config:
    """Load the settings and set up logging by them, before anything of note is logged."""
    notes: list[tuple[Literal["info", "warn"], str, Mapping[str, object]]] = []
    try:
        config = settings.load(arguments, os.environ, lambda *note: notes.append(note))
        _configure_logs(config)
    finally:
        # Not before: the settings say how the notes are logged. Refused, they are logged all the
        # same.
        for note in notes:
            _note(*note)
    return config


def _configure_logs(config: settings.Config) -> None:
    level = settings.parse_level(config.log_level)
    # etcd takes an empty format for JSON.
    said = config.log_format or "json"
    line_format = said if "log-format" in config.given else logs.FOR_THE_READER
    try:
        logs.configure(level, line_format, config.log_outputs, config.log_rotation)
    except (logs.OutputError, logs.NoSystemdJournalError) as error:
        raise settings.InvalidConfigError(str(error)) from None


def _serve(config: settings.Config) -> int:
    # Everything a server needs is imported only now: --help and a mistyped flag answer at once.
    # None of it is looked through for garbage; see ``etcdpy.__main__``.
    gc.disable()
    from etcdpy.server import lifecycle as server

    gc.freeze()
    gc.enable()
    try:
        return server.run(config)
    except server.FatalError as error:
        logger.critical(error.message, error.fields)
        return EXIT_REFUSED
    except Exception:  # a mistake of ours: its trace belongs in the log, whole
        logger.critical("panic", exc_info=True)
        return EXIT_PANIC


def _note(level: Literal["info", "warn"], message: str, fields: Mapping[str, object]) -> None:
    number = logging.INFO if level == "info" else logging.WARNING
    logger.log(number, message, *filter(None, (fields,)), stacklevel=2)


def _help() -> int:
    from etcdpy.config.usage import USAGE, flag_list

    # As Go's flag package has it, the usage is a diagnostic; the list is what was asked for.
    sys.stderr.write(USAGE)
    sys.stdout.write(f"\n{flag_list()}")
    return 0


def _version() -> int:
    from etcdpy.config.usage import version_text

    sys.stdout.write(version_text())
    return 0


def _wrong_usage(error: settings.UsageError) -> int:
    from etcdpy.config.usage import USAGE

    _refuse(str(error))
    if isinstance(error, settings.UndefinedFlagError):
        from etcdpy.config.nearest import nearest

        meant = nearest(error.name, [*settings.FLAGS, "help", "version"])
        if meant:
            sys.stderr.write(f"Did you mean --{meant}?\n")
    sys.stderr.write(USAGE)
    return EXIT_USAGE


def _hint_at_command(arguments: Sequence[str]) -> None:
    if arguments and not arguments[0].startswith("-"):
        from etcdpy.config.nearest import nearest

        if meant := nearest(arguments[0], COMMANDS):
            # The log says first what is wrong.
            logs.flush()
            sys.stderr.write(f"Did you mean {meant}?\n")


def _refuse(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return EXIT_REFUSED
