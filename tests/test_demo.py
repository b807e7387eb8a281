"""The demo keeps its promise: what `make demo` runs makes the small model do what it could not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Terminal
from tests.docs.reader import compare_with_the_tutorial

pytestmark = pytest.mark.real


def test_the_demo_teaches_a_model_what_it_could_not_do(ftcore: Terminal, tmp_path: Path):
    result = ftcore("run", "--method", "qlora", "--json")
    assert result.code == 0, result.err
    compare_with_the_tutorial(result)
    before, after = (result.json[when]["exact-match"]["exact_match"] for when in ("before", "after"))
    assert before < 0.10
    assert after > 0.80

    [folder] = (tmp_path / "runs").iterdir()
    report = json.loads((folder / "report.json").read_text())
    assert len(report["samples"]) == 3
    assert all(sample["after"] for sample in report["samples"])
    assert (folder / "report.html").read_text().count("<svg") >= 2

    answer = ftcore("chat", folder, "--prompt", report["samples"][0]["prompt"])
    assert answer.code == 0, answer.err
    assert answer.out.strip().startswith("{")
