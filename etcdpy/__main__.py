"""``python -m etcdpy``, and the command ``etcdpy``."""

# Python has these already, before it looks for anything where the command is given.
import gc
import os
import sys

__all__ = ["main"]


def _leave_working_directory() -> None:
    """
    Import nothing from the working directory, in which ``python -m`` looks first.

    A data directory, or one that is shared, may hold files named like a library. It is as with
    Python's option ``-P``, which few give and 3.10 does not have. An etcdpy that is itself there
    is still found, behind everything else.
    """
    if getattr(sys.flags, "safe_path", sys.flags.isolated):
        return
    try:
        here = os.getcwd()
    except OSError:
        return  # It is gone, so Python did not look there either.
    if sys.path[:1] == [here]:
        del sys.path[0]
        if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == here:
            sys.path.append(here)


def main() -> int:
    """Run the command, see ``etcdpy.cli.main``, and return its exit status."""
    # What modules are made of stays for good, and to look through it for garbage costs a tenth of
    # the time that it takes to import them.
    gc.disable()
    from etcdpy.cli.main import main as run

    gc.freeze()
    gc.enable()
    return run()


if __name__ == "__main__":
    _leave_working_directory()
    raise SystemExit(main())
