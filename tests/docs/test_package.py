"""The package of `write-a-method.md`, from its text to its end: built as a wheel, installed, used, and taken away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import echo_rows, write_rows
from tests.docs.pages import DOCS, blocks
from tests.docs.reader import write

FAST = ("--train.batch_size", 4, "--train.max_length", 128, "--evaluators", "loss", "--reporters", "metrics")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder, as somebody who copies the page has it."""
    folder = tmp_path_factory.mktemp("page")
    for block in blocks(DOCS / "how-to" / "write-a-method.md"):
        if block.title and block.title.startswith("acme-gains/"):
            write(block, folder)
    return folder / "acme-gains"


@pytest.fixture(scope="module")
def installed(package: Path) -> Path:
    """The folder of an environment into which pip has installed the package's wheel."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, target = package.parent / "wheels", package.parent / "site"
    _done([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, package])
    _done([*pip, "install", "--no-deps", "--no-index", "--target", target, *wheels.glob("*.whl")])
    return target


def _done(line: list[object], code: int = 0, **more: object) -> str:
    done = subprocess.run([*map(str, line)], capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == code, done.stdout + done.stderr
    return str(done.stdout if code == 0 else done.stderr)


def test_it_keeps_the_contract(package: Path, installed: Path):
    said = _done(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", package / "tests"],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"},
    )
    assert " passed" in said
    assert "failed" not in said


def test_it_lives_and_dies_like_any_plugin(installed: Path, tiny: Path, tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", echo_rows(24))
    site = tmp_path / "site"
    shutil.copytree(installed, site)

    def ftcore(*words: object, code: int = 0) -> str:
        env = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        return _done([sys.executable, "-m", "ftcore", *words], code, cwd=tmp_path, env=env)

    listed = json.loads(ftcore("plugins", "list", "--json"))["plugins"]
    mine = next(plugin for plugin in listed if plugin["key"] == "acme-gains:gains")
    assert (mine["version"], mine["state"], mine["offers"]) == ("1.0", "active", ["method:gains"])
    assert "gains " in ftcore("list", "methods")
    assert "Linear layers with this in their name" in ftcore("explain", "gains")
    assert "--method.word" in ftcore("run", "--method", "gains", "--help")
    assert '"tuning method gains"' in ftcore("schema")

    line = ["--model", tiny, "--data", "rows.jsonl", "--method", "gains", *FAST, "--train.steps", 4]
    ftcore("run", *line, "--out", "whole")
    (tmp_path / "stop.py").write_text(STOP)
    ftcore("run", *line, "--out", "stopped", "--plugin", "stop.py", code=130)
    ftcore("resume", "stopped")
    states = [tmp_path / run / "model" / "adapter_model.safetensors" for run in ("whole", "stopped")]
    assert states[0].read_bytes() == states[1].read_bytes()
    assert "merged into" in ftcore("merge", "whole")
    (checked,) = json.loads(ftcore("plugins", "check", "acme-gains", "--json"))["components"]
    assert checked["result"] == "passed", checked

    shutil.rmtree(site)
    said = ftcore("chat", "whole", "--prompt", "hello", code=7)
    assert "acme-gains:gains" in said
    assert "try: ftcore plugins install PATH/TO/acme-gains" in said


STOP = """
import os, signal
from ftcore import hookimpl

@hookimpl
def ftcore_after_step(event):
    if event.step == 2:
        os.kill(os.getpid(), signal.SIGINT)
"""
