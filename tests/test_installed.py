"""Packages as their users have them: built as wheels, installed, tested, used, and taken away again.

One of each kind that `ftcore plugins new` writes, and the one that `write-a-method.md` shows. All lines are typed in
one process that sees the packages in one folder: to import torch and its kin takes six seconds each time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ftcore.scaffold import BLUEPRINTS
from tests.conftest import Result, echo_rows, write_rows
from tests.docs.pages import DOCS, blocks
from tests.docs.reader import write

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")

TYPIST = """
import contextlib, io, json, sys
import pytest
from ftcore.cli.main import main

def typed(words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = int(pytest.main(words[1:])) if words[0] == "pytest" else main(words)
    return [code, out.getvalue(), err.getvalue()]

json.dump([typed(words) for words in json.load(sys.stdin)], sys.stdout)
"""

STOP = """
import os, signal
from ftcore import hookimpl

@hookimpl
def ftcore_after_step(event):
    if event.step == 2:
        os.kill(os.getpid(), signal.SIGINT)
"""

HINTS = """
from ftcore.testing.offered import contract

def test_the_contract_has_what_FTCORE_CHECK_says():
    for name in ("acme-method", "gains"):
        assert contract("method", name).reload.__name__ == "reload"
"""

RUN = ("run", "--model", "tiny", "--data", "rows.jsonl")
TOGETHER = [word for kind in ("method", "strategy", "backend", "exporter") for word in (f"--{kind}", f"acme-{kind}")]
FAST = ("--train.batch_size", 4, "--train.max_length", 128, "--evaluators", "loss", "--reporters", "metrics")
GAINS = (*RUN, "--method", "gains", *FAST, "--train.steps", 4)

LINES: Mapping[str, Sequence[object]] = {
    "tests": (
        *("pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "test_hints.py", "acme-gains/tests"),
        *(f"acme-{kind}/tests" for kind in BLUEPRINTS),
    ),
    "list": ("plugins", "list", "--json"),
    "together": (
        *(*RUN, *TOGETHER, "--evaluators", "acme-evaluator", "--reporters", "acme-reporter", "--out", "together"),
        *("--train.steps", 2, "--train.batch_size", 2, "--evaluate.generate", 1, "--evaluate.max_new_tokens", 4),
    ),
    "methods": ("list", "methods"),
    "explain": ("explain", "gains"),
    "help": ("run", "--method", "gains", "--help"),
    "schema": ("schema",),
    "whole": (*GAINS, "--out", "whole"),
    "stopped": (*GAINS, "--out", "stopped", "--plugin", "stop.py"),
    "resumed": ("resume", "stopped"),
    "merged": ("merge", "whole"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Where the user stands: the packages' sources, rows, a model, and in `site` what pip has installed of them."""
    from ftcore.cli.main import main

    folder = tmp_path_factory.mktemp("installed")
    write_rows(folder / "rows.jsonl", echo_rows(24))
    (folder / "tiny").symlink_to(tiny)
    (folder / "stop.py").write_text(STOP)
    (folder / "test_hints.py").write_text(HINTS)
    for block in blocks(DOCS / "how-to" / "write-a-method.md"):
        if block.title and block.title.startswith("acme-gains/"):
            write(block, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert [main(["plugins", "new", f"acme-{kind}", "--kind", kind]) for kind in BLUEPRINTS] == [0] * 10
    packages = sorted(folder.glob("acme-*"))
    python(folder, *PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "wheels", *packages)
    wheels = (folder / "wheels").glob("*.whl")
    python(folder, *PIP, "install", "--no-deps", "--no-index", "--target", "site", *wheels)
    return folder


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, Result]:
    """What came of each line."""
    return dict(zip(LINES, typed(folder, *LINES.values()), strict=True))


def typed(folder: Path, *lines: Sequence[object]) -> list[Result]:
    text = json.dumps([[str(word) for word in line] for line in lines])
    return [Result(*each) for each in json.loads(python(folder, sys.executable, "-c", TYPIST, typed=text))]


def python(folder: Path, *line: object, typed: str | None = None) -> str:
    path = os.pathsep.join([str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [*map(str, line)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        input=typed,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_package_passes_its_own_tests(said: dict[str, Result]):
    tests = said["tests"]
    assert tests.code == 0, tests.out
    counts = tests.out.strip().splitlines()[-1]
    assert " passed" in counts
    assert "skipped" not in counts, tests.out


def test_every_package_is_listed(said: dict[str, Result]):
    listed = {plugin["key"]: plugin for plugin in said["list"].json["plugins"]}
    for kind, blueprint in BLUEPRINTS.items():
        assert f"{blueprint.key}:acme-{kind}" in listed[f"acme-{kind}:acme-{kind}"]["offers"]
    mine = listed["acme-gains:gains"]
    assert (mine["version"], mine["state"], mine["offers"]) == ("1.0", "active", ["method:gains"])
    assert said["list"].json["problems"] == []


def test_a_run_trains_with_one_of_each_kind(said: dict[str, Result], folder: Path):
    assert said["together"].code == 0, said["together"].err
    assert (folder / "together" / "acme-reporter.csv").read_text().count("\n") == 3
    assert "mean_words" in (folder / "together" / "report.json").read_text()


def test_the_method_of_the_page_is_known_everywhere(said: dict[str, Result]):
    assert "gains " in said["methods"].out
    assert "Linear layers with this in their name" in said["explain"].out
    assert "--method.word" in said["help"].out
    assert '"tuning method gains"' in said["schema"].out


def test_it_trains_resumes_merges_and_is_missed(said: dict[str, Result], folder: Path):
    codes = [said[name].code for name in ("whole", "stopped", "resumed")]
    assert codes == [0, 130, 0], said
    states = [folder / run / "model" / "adapter_model.safetensors" for run in ("whole", "stopped")]
    assert states[0].read_bytes() == states[1].read_bytes()
    assert "merged into" in said["merged"].out

    shutil.rmtree(folder / "site")
    [orphan] = typed(folder, ("chat", "whole", "--prompt", "hello"))
    assert orphan.code == 7
    assert "acme-gains:gains" in orphan.err
    assert "try: ftcore plugins install PATH/TO/acme-gains" in orphan.err
