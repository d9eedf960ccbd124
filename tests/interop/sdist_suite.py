"""Running the tests that a client's own authors ship in its sdist, with pytest."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.interop import ROOT
from tests.interop.environment import Environment, outside

DOWNLOAD_TIMEOUT = 180.0
#: Nearly all of it they sleep.
RUN_TIMEOUT = 400.0


@dataclass(frozen=True)
class SdistSuite:
    """
    The tests of a client.

    Attributes:
        name: Of the client on PyPI.
        version: The release whose tests they are, and which they test.
        environment: Where it is installed, with what its tests import.
        options: More for pytest, such as a plugin that says where the server is.

    """

    name: str
    version: str
    environment: Environment
    options: Sequence[str] = field(default=())

    def tell(self, **variables: str) -> dict[str, str]:
        """
        Run them and return what became of each: ``ok``, ``skipped``, or why it failed.

        Args:
            variables: Of the environment, from which the tests know where the server is.

        """
        python, source = self.environment.interpreter(), self._source()
        report = source.with_name(f"{source.name}.xml")
        # Nothing of the machine's comes in, and nothing of this repository's.
        options = ["-p", "no:cacheprovider", "-q", f"--junitxml={report}", *self.options]
        done = subprocess.run(
            [str(python), "-m", "pytest", *options, "tests"],
            cwd=source,
            env=outside({"PYTHONPATH": str(Path(__file__).with_name("plugins")), **variables}),
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT,
        )
        assert done.returncode in (0, 1), f"{done.stdout}\n{done.stderr}"
        cases = ElementTree.parse(report).iter("testcase")
        return {f"{case.get('classname')}.{case.get('name')}": _outcome(case) for case in cases}

    def _source(self) -> Path:
        """Return the unpacked sdist, fetched if need be, or skip."""
        folder = ROOT / "build" / "sdists"
        source = folder / f"{self.name}-{self.version}"
        if not source.exists():
            wanted = [f"--no-binary={self.name}", "--no-deps", f"{self.name}=={self.version}"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder)]
            done = subprocess.run(
                [*pip, *wanted], capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT
            )
            if done.returncode:
                pytest.skip(f"no sdist of {self.name}: {done.stderr.strip()[-500:]}")
            with tarfile.open(folder / f"{source.name}.tar.gz") as archive:
                archive.extractall(folder, filter="data")
        return source


def _outcome(case: ElementTree.Element) -> str:
    for what in case:
        if what.tag == "skipped":
            return "skipped"
        if what.tag in ("failure", "error"):
            return f"{what.tag}: {what.get('message')}"
    return "ok"
