"""Generate ``etcdpy/pb`` from the ``.proto`` files beside this script.

The stubs are registered in a descriptor pool of their own (``etcdpy.pb.pool``): client
libraries carry the same ``etcdserverpb`` messages under other file names, and one pool
refuses to hold a message twice. Classes are made by ``etcdpy.pb.builder``, for a quicker start,
and are not entered where nobody looks for them, in protobuf's table of all symbols.

    python proto/generate.py [OUTPUT_ROOT]
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
#: What protoc writes, and what is to be there instead.
REPLACED = {
    "from google.protobuf import descriptor_pool as _descriptor_pool\n": (
        "from etcdpy.pb import pool as _descriptor_pool\n"
    ),
    "from google.protobuf.internal import builder as _builder\n": (
        "from etcdpy.pb import builder as _builder\n"
    ),
    "from google.protobuf import symbol_database as _symbol_database\n": "",
    "_sym_db = _symbol_database.Default()\n": "",
}


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
        for written, wanted in REPLACED.items():
            if written not in text:
                raise SystemExit(f"{module}: protoc no longer writes {written!r}")
            text = text.replace(written, wanted)
        module.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
