"""``python -m etcdpy``."""

# Python has imported these itself, before it looks for anything where the command is given.
import os
import sys


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


if __name__ == "__main__":
    _leave_working_directory()
    from etcdpy.cli.main import main

    raise SystemExit(main())
