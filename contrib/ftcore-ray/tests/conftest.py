"""A Ray of two workers for all tests, a tiny model with rows to tune it on, and a command line to type into."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[str]:
    """Its address. It takes seconds to start, so there is one."""
    import ray

    context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield context.address_info["gcs_address"]
    ray.shutdown()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user stands: a model in `tiny` and 24 different rows in `rows.jsonl`."""
    from ftcore.testing.tiny import save_tiny

    folder = tmp_path_factory.mktemp("work")
    save_tiny(folder / "tiny")
    rows = [{"prompt": f"say {'abcdefgh'[n % 8]}{n}", "completion": f"{'abcdefgh'[n % 8]}{n}"} for n in range(24)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def ftcore(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Type a line; its exit code and what stood on the terminal. Runs find the Ray that this process is part of."""
    from ftcore.cli.main import main

    monkeypatch.chdir(folder)

    def type_(*arguments: Any) -> tuple[int, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return type_
