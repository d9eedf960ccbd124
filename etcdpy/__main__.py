"""``python -m etcdpy``."""

from etcdpy.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
