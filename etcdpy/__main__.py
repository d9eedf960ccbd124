"""``python -m etcdpy``."""

from etcdpy.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
