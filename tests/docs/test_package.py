"""The package of `write-a-method.md`, installed as pip would install it, is found, keeps the contract and trains."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.docs.reader import write


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package's folder, with the metadata that an installer writes beside it."""
    for block in blocks(DOCS / "how-to" / "write-a-method.md"):
        if block.title and block.title.startswith("acme-norms/"):
            write(block, tmp_path)
    folder = tmp_path / "acme-norms"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["ftcore"].items())
    (info / "entry_points.txt").write_text(f"[ftcore]\n{points}")
    return folder


def python(package: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_found(package: Path):
    assert "method:norms" in python(package, "-m", "ftcore", "plugins", "list")


def test_it_keeps_the_contract(package: Path):
    said = python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", package / "tests")
    assert " passed" in said
    assert "failed" not in said
    assert "skipped" not in said
