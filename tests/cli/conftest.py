"""The run that tests of wrong input attempt: two steps on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.refusals import Try
from tests.conftest import Result, Terminal, echo_rows, write_rows


@pytest.fixture
def attempt(ftcore: Terminal, tiny: Path, tmp_path: Path) -> Try:
    """`ftcore run` of two steps on the tiny model; what is given comes last and so decides."""
    write_rows(tmp_path / "rows.jsonl", echo_rows(24))

    def run(*more: object, model: object = tiny, data: object = "rows.jsonl") -> Result:
        chosen = ["--data", data] if data else []
        return ftcore(
            "run", "--model", model, *chosen, "--backend", "cpu", "--backend.precision", "fp32", "--train.steps", 2,
            "--train.batch_size", 4, "--train.max_length", 256, "--evaluators", "none", "--reporters", "metrics", *more,
        )  # fmt: skip

    return run
