"""An evaluator may bring questions of its own: it needs no held-out rows, and names its numbers when it is asked."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Terminal

PLUGIN = """
from ftcore import EvaluatorSpec, Ref, hookimpl
from ftcore.types import Evaluation

@hookimpl
def ftcore_evaluators():
    yield EvaluatorSpec(name="quiz", summary="a quiz", metrics={}, examples=(), factory=Ref("quiz:Quiz"))

class Quiz:
    def evaluate(self, session):
        right = 0.25 if session.step == 0 else 0.5
        return Evaluation({"capitals/acc": right}, better={"capitals/acc": "up"}, percent=("capitals/acc",))
"""


def test_it_is_asked_without_held_out_rows_and_says_which_way_is_better(ftcore: Terminal, tmp_path: Path, tiny, rows):
    (tmp_path / "quiz.py").write_text(PLUGIN)
    small = ["--train.steps", 1, "--evaluate.holdout", 0, "--out", "run"]
    done = ftcore("run", "--plugin", "quiz.py", "--model", tiny, "--data", rows, "--evaluators", "quiz", *small)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["before"] == {"quiz": {"capitals/acc": 0.25}}
    assert report["better"] == {"quiz": {"capitals/acc": "up"}}
    assert report["percent"] == {"quiz": ["capitals/acc"]}
    assert report["judged"] == {"quiz": 0}
    assert "before training: capitals/acc 25 %" in done.err
    assert "capitals/acc: 25 % → 50 %" in done.err
    assert "nothing will say" not in done.err
