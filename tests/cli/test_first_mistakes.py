"""What newcomers stumbled over: each of these once trained on nothing, crashed, or suggested the wrong thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Terminal, echo_rows, write_rows

QUICK = ("--evaluators", "none", "--reporters", "metrics", "--out", "run")

NO_LOAD_OPTIONS = """
from ftcore import MethodSpec, Ref, hookimpl

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="half", summary="lacks a method", factory=Ref({target!r}), defaults={{"learning_rate": 1e-3}})

class Half:
    def attach(self, model): return model
"""


def test_a_run_of_one_step_trains(ftcore: Terminal, tiny: Path, tmp_path: Path):
    rows = write_rows(tmp_path / "few.jsonl", echo_rows(6))
    result = ftcore("run", "--model", tiny, "--data", rows, "--evaluate.holdout", 1, *QUICK)
    assert result.code == 0, result.err
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    [step] = [line for line in lines if "loss" in line]
    assert step["learning_rate"] > 0


def test_holding_out_more_rows_than_there_are_is_refused(ftcore: Terminal, tiny: Path, rows: Path):
    result = ftcore("run", "--model", tiny, "--data", rows, "--evaluate.holdout", 50, *QUICK)
    assert result.code == 3
    assert "leaves none of the 24 rows to train on" in result.err
    assert "try: --evaluate.holdout 0.1" in result.err


def test_two_columns_of_text_are_a_question_and_an_answer(ftcore: Terminal, tmp_path: Path):
    lines = [f"Was ist {n} mal {n} plus eins?,Das ergibt zusammen {n * n + 1} wie man sieht" for n in range(20)]
    (tmp_path / "fragen.csv").write_text("\n".join(["Frage,Antwort", *lines]))
    result = ftcore("plan", "--data", "fragen.csv")
    assert "try: --data.columns prompt=Frage --data.columns completion=Antwort" in result.err


def test_leaving_out_what_is_not_there_is_a_typo(ftcore: Terminal):
    result = ftcore("plan", "--no-plugin", "lroa")
    assert result.code == 2
    assert "there is no plugin 'lroa' to leave out (did you mean 'lora'?)" in result.err


def test_leaving_out_what_is_taken_by_itself_asks_for_another(ftcore: Terminal):
    result = ftcore("plan", "--no-plugin", "lora")
    assert result.code == 2
    assert "no tuning method is chosen, and the usual one is left out" in result.err


@pytest.mark.parametrize(
    ("target", "problem"),
    [("half:Half", "lacks load_options, state, load_state, save"), ("half:Haf", "is not where its record says")],
)
def test_a_plugin_whose_class_is_incomplete_is_named(
    ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path, target: str, problem: str
):
    (tmp_path / "half.py").write_text(NO_LOAD_OPTIONS.format(target=target))
    result = ftcore("run", "--plugin", "half.py", "--method", "half", "--model", tiny, "--data", rows, *QUICK)
    assert result.code == 7
    assert problem in result.err
    assert "half.py" in result.err


def test_an_unknown_option_beside_a_plugin_that_is_not_there(ftcore: Terminal):
    """The guess at the option asks the plugins, and one of them cannot be had."""
    for line in (
        "list --nope --no-plugin zzz",
        "doctor --rewards x --plugin absent.py",
        "run --nope x --no-plugin zzz",
    ):
        done = ftcore(*line.split())
        assert done.code == 2
        assert "there is no" in done.err.splitlines()[0]
        assert "Traceback" not in done.err
