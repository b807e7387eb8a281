"""Fixtures for all tests: a tiny model on disk, rows to tune it on, and a terminal to type into."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import browser

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

# How fast examples are drawn says how busy the machine is, not whether the code is right.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True)
class Result:
    """What a command line gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Terminal = Callable[..., Result]


_looked_through = 0


def pytest_runtest_setup() -> None:
    """Trainers collect garbage when they begin. It takes them 0.3 s if they look through all of torch again."""
    global _looked_through
    if len(sys.modules) > _looked_through:
        _looked_through = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture
def ftcore(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Type a command line in an empty folder: `ftcore("run", "--method", "lora")`."""
    from ftcore.cli.main import main

    monkeypatch.chdir(tmp_path)

    def type_(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return type_


@pytest.fixture
def shell(tmp_path: Path) -> Terminal:
    """The same in a process of its own, for what concerns imports, signals and exit codes."""

    def type_(*arguments: object, env: Mapping[str, str] | None = None, timeout: float = 120) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "ftcore", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return type_


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-block random Llama with its tokenizer, as a folder."""
    from ftcore.testing.tiny import save_tiny

    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny(folder)
    return folder


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    """Rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def echo_rows(count: int = 24) -> list[dict[str, str]]:
    """Rows that differ from each other and are easy to learn: say the word that was asked for."""
    return [{"prompt": f"say {'abcdefgh'[n % 8]}{n}", "completion": f"{'abcdefgh'[n % 8]}{n}"} for n in range(count)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", echo_rows())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a browser the tests that need one are left out; the summary says so."""
    if browser.is_left_out():
        without = [item for item in items if item.get_closest_marker("browser")]
        items[:] = [item for item in items if item not in without]
        config.hook.pytest_deselected(items=without)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if browser.is_left_out():
        terminalreporter.write_line(f"tests in a browser were left out; what they need: {browser.missing()}")
