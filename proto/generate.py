"""Generate ``etcdpy/pb`` from the ``.proto`` files beside this script.

The stubs are registered in a descriptor pool of their own (``etcdpy.pb.pool``): client
libraries carry the same ``etcdserverpb`` messages under other file names, and one pool
refuses to hold a message twice.

    python proto/generate.py [OUTPUT_ROOT]
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
SHARED_POOL = "from google.protobuf import descriptor_pool as _descriptor_pool\n"
OWN_POOL = "from etcdpy.pb import pool as _descriptor_pool\n"


def main(output_root: Path) -> None:
    """Write the modules and their type stubs below ``output_root``."""
    sources = sorted(str(path.relative_to(HERE)) for path in HERE.rglob("*.proto"))
    arguments = ["protoc", f"-I{HERE}"]
    arguments += [f"--{kind}={output_root}" for kind in ("python_out", "grpc_python_out")]
    arguments += [f"--mypy_out=quiet:{output_root}", *sources]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")
    for module in (output_root / "etcdpy" / "pb").glob("*_pb2.py"):
        text = module.read_text()
        if SHARED_POOL not in text:
            raise SystemExit(f"{module}: protoc no longer imports the pool as expected")
        module.write_text(text.replace(SHARED_POOL, OWN_POOL))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
