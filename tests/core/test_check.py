"""What speaks against a plan is found before torch is imported, all of it at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import DataError, FtcoreError, ModelError, PluginError, ResourceError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.check import check
from ftcore.run.exclusive import exclusive
from ftcore.run.execute import execute
from ftcore.run.folder import create, write_text
from ftcore.run.plan import Plan, Rows
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from tests.conftest import echo_rows, write_rows
from tests.core.test_resume import plugin_file

MANAGER = PluginManager.discover()


def checked(folder: Path, tiny: Path, plugin: str = "", **flags: Any) -> Plan:
    """A plan for good rows and a good model, but for what the flags say."""
    rows = write_rows(folder / "rows.jsonl", echo_rows(12))
    files = [str(plugin_file(folder, "from ftcore import *\n" + plugin)[1])] if plugin else []
    manager = PluginManager.discover(files) if files else MANAGER
    given: dict[str, Any] = {"model": str(tiny), "data": [str(rows)], "backend": "cpu"}
    given |= {name.replace("__", "."): value for name, value in flags.items()}
    return check(resolve(manager, RunFile(), given), manager)


def refusal(folder: Path, tiny: Path, plugin: str = "", **flags: Any) -> FtcoreError:
    with pytest.raises(FtcoreError) as error:
        checked(folder, tiny, plugin, **flags)
    return error.value


def notes(plan: Plan) -> list[str]:
    return [f"{finding.level}: {finding.message}" for finding in plan.findings]


def test_a_good_plan_says_how_its_rows_were_understood(tiny: Path, tmp_path: Path):
    [note] = notes(checked(tmp_path, tiny))
    assert note.startswith("note: files:")
    assert note.endswith("rows.jsonl: format prompt-completion (columns prompt and completion)")


def test_all_that_can_be_seen_at_a_glance_is_said_at_once(tiny: Path, tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("four years")
    error = refusal(
        tmp_path, tiny, train__micro_batch_size=3, train__weight_decay="inf", out=str(tmp_path / "full")
    )  # fmt: skip
    assert isinstance(error, UsageError)
    assert error.what == "train.micro_batch_size 3 does not divide train.batch_size 8"
    assert error.fix == "--train.micro_batch_size 1"
    assert [line.partition(":")[0] for line in error.more] == ["also", "also"]
    assert "train.weight_decay is not a finite number" in error.more[0]
    assert "the folder is not empty" in error.more[1]


def test_model_and_data_are_both_looked_at_before_anything_is_said(tiny: Path, tmp_path: Path):
    error = refusal(tmp_path, tiny, model=str(tmp_path / "absent"), data=[str(tmp_path / "absent.jsonl")])
    assert isinstance(error, ModelError)
    assert "there is no folder" in error.what
    assert len(error.more) == 1
    assert "there is no such file" in error.more[0]


ENDLESS = """
from ftcore import hookimpl
from ftcore.types import Row

@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(name="endless", summary="s", factory=Ref(__name__ + ":Endless"))

class Endless:
    def rows(self):
        while True:
            yield Row({"prompt": "a", "completion": "b"}, "endless")
"""


@pytest.mark.parametrize(("different", "heldout"), [(0, 0), (1, 1), (20, 2)])
def test_equal_rows_are_not_held_out_apart_in_the_plan_as_in_the_run(
    tiny: Path, tmp_path: Path, different: int, heldout: int
):
    rows = write_rows(tmp_path / "equal.jsonl", [*[{"prompt": "a", "completion": "b"}] * 9, *echo_rows(different)])
    plan = checked(tmp_path, tiny, data=[str(rows)], evaluate__holdout=heldout or 1)
    assert plan.rows == Rows(9 + different - heldout, heldout)


def test_rows_are_read_only_when_nothing_else_is_wrong(tiny: Path, tmp_path: Path):
    """The rows may be gigabytes; a model that is not there is said at once."""
    error = refusal(tmp_path, tiny, ENDLESS, model=str(tmp_path / "absent"), data=["endless"])
    assert isinstance(error, ModelError)


# Numbers and packages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "max_grad_norm", "epochs"])
def test_a_setting_that_is_not_finite_is_refused(tiny: Path, tmp_path: Path, name: str):
    error = refusal(tmp_path, tiny, **{f"train__{name}": "inf"})
    assert error.exit_code == 2
    assert f"train.{name} is not a finite number" in error.what


RATE = 'defaults={"learning_rate": 1.0}'
METHOD = (
    "from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_methods():\n"
    '    yield MethodSpec(name="new", summary="s", factory=Ref("json:loads"), {facts})\n'
)


@pytest.mark.parametrize(
    ("facts", "kind", "what", "fix"),
    [
        (f'needs=("fp9", "nf4"), {RATE}', ResourceError, "needs fp9, which the backend cpu lacks", "--method lora"),
        ("", PluginError, "the method 'new' declares no learning rate", "--train.learning_rate 2e-4"),
        (f'packages=("nowhere_to_be_found",), extra="ftcore[nowhere]", {RATE}', ResourceError,
         "'new' needs the package nowhere_to_be_found, which is not installed", "pip install ftcore[nowhere]"),
    ],
)  # fmt: skip
def test_declared_facts_are_compared(
    tiny: Path, tmp_path: Path, facts: str, kind: type[FtcoreError], what: str, fix: str
):
    error = refusal(tmp_path, tiny, METHOD.format(facts=facts), method="new")
    assert isinstance(error, kind)
    assert what in error.what
    assert error.fix == fix


# Rows -----------------------------------------------------------------------------------------------------------------


def test_twenty_bad_rows_are_kept_and_the_others_counted(tiny: Path, tmp_path: Path):
    rows = write_rows(tmp_path / "bad.jsonl", [*echo_rows(1), *[{"prompt": "a", "completion": None}] * 50])
    error = refusal(tmp_path, tiny, data=[str(rows)])
    assert isinstance(error, DataError)
    assert error.where == "bad.jsonl:2"
    assert error.more[:2] == ("bad.jsonl:3: completion is null", "bad.jsonl:4: completion is null")
    assert error.more[2] == "and 47 more rows"
    assert len(error.lines()) <= 6


def test_bad_rows_that_may_be_dropped_are_a_warning(tiny: Path, tmp_path: Path):
    rows = write_rows(tmp_path / "bad.jsonl", [*echo_rows(5), {"prompt": "a", "completion": None}])
    plan = checked(tmp_path, tiny, data=[str(rows)], data__bad_rows="drop")
    assert any(note.startswith("warning: ") and " dropped: 1 bad row; the first is " in note for note in notes(plan))


def test_a_format_by_name_that_fits_no_row(tiny: Path, tmp_path: Path):
    error = refusal(tmp_path, tiny, data__format="messages", data__bad_rows="drop")
    assert "the source holds no usable row of the format 'messages'" in error.what
    assert error.fix == "--data.format auto"


def test_examples_of_the_wrong_kind_name_a_strategy_that_learns_from_them(tiny: Path, tmp_path: Path):
    plugin = (
        "from ftcore import hookimpl\n@hookimpl\ndef ftcore_alignment_strategies():\n"
        '    yield StrategySpec(name="prose", summary="s", examples=("text",), factory=Ref("json:loads"))\n'
    )
    error = refusal(tmp_path, tiny, plugin, strategy="prose")
    assert isinstance(error, DataError)
    assert "learns from text examples, but these rows are chat examples (format prompt-completion)" in error.what
    assert error.fix == "--strategy sft"
    (tmp_path / "book.txt").write_text("It was a dark night.\n\nAnd a stormy one.\n")
    checked(tmp_path, tiny, plugin, strategy="prose", data=[str(tmp_path / "book.txt")])


# Where it goes --------------------------------------------------------------------------------------------------------


def test_an_empty_folder_is_as_good_as_none(tiny: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    checked(tmp_path, tiny, out=str(tmp_path / "empty"))
    checked(tmp_path, tiny, out=str(tmp_path / "deep" / "down" / "here"))
    assert not (tmp_path / "deep").exists(), "a check writes nothing"


def test_the_folder_that_is_offered_instead_is_free(tiny: Path, tmp_path: Path):
    for name in ("run", "run-2", "run-3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("x")
    assert refusal(tmp_path, tiny, out=str(tmp_path / "run")).fix == f"--out {tmp_path / 'run-4'}"


def test_a_folder_that_may_not_be_written_is_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Asked of the system, since whoever may do everything cannot make a folder that he may not write."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    error = refusal(tmp_path, tiny, out=str(tmp_path / "run"))
    assert isinstance(error, ResourceError)
    assert "no permission to write there" in error.what


def test_of_two_runs_that_begin_at_once_in_one_folder_one_is_refused(tiny: Path, tmp_path: Path):
    plan = checked(tmp_path, tiny, out=str(tmp_path / "run"))
    with exclusive(create(plan)), pytest.raises(ResourceError, match="another process works on this run"):
        execute(plan, MANAGER)
    write_text(tmp_path / "run" / "run.yaml", "of the first")
    with pytest.raises(UsageError, match="another run has just begun in this folder"):
        execute(plan, MANAGER)
    assert (tmp_path / "run" / "run.yaml").read_text() == "of the first"


# Plugins --------------------------------------------------------------------------------------------------------------

FINDINGS = """
from ftcore import hookimpl
from ftcore.types import Finding

@hookimpl
def ftcore_plan_findings(plan):
    {body}
"""


def test_a_plugin_may_warn(tiny: Path, tmp_path: Path):
    plan = checked(tmp_path, tiny, FINDINGS.format(body='yield Finding("warning", "it is late")'))
    assert "warning: it is late" in notes(plan)


def test_a_plugin_may_refuse_and_is_named(tiny: Path, tmp_path: Path):
    error = refusal(tmp_path, tiny, FINDINGS.format(body='yield Finding("error", "not on a Friday", "wait")'))
    assert error.exit_code == 2
    assert error.what.startswith("not on a Friday (says file:plugin_")
    assert error.fix == "wait"


def test_a_plugin_that_stumbles_over_a_plan_does_not_stop_it(tiny: Path, tmp_path: Path):
    assert len(notes(checked(tmp_path, tiny, FINDINGS.format(body="raise ValueError(plan)")))) == 1


def test_pairs_that_teach_nothing_are_counted_before_anything_loads(tiny: Path, tmp_path: Path):
    pair = {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}
    equal = {**pair, "rejected": "Hello!"}
    rows = write_rows(tmp_path / "pairs.jsonl", [{**pair, "prompt": f"Hi {n}"} for n in range(8)] + [equal, equal])
    plan = checked(tmp_path, tiny, data=[str(rows)], strategy="dpo", data__bad_rows="stop")
    said = "2 of 10 rows dropped: 2 equal sides; the first is pairs.jsonl:9: both sides are equal"
    assert any(said in note for note in notes(plan))
    assert plan.rows is not None
    assert plan.rows.train + plan.rows.heldout == 8


def test_pairs_of_which_none_teaches_anything_are_refused(tiny: Path, tmp_path: Path):
    pair = {"prompt": "Hi", "chosen": "Hello!", "rejected": "Hello!"}
    rows = write_rows(tmp_path / "pairs.jsonl", [pair] * 3)
    error = refusal(tmp_path, tiny, data=[str(rows)], strategy="dpo")
    assert error.what == "nothing would be learned from this source: of 3 rows 3 equal sides"
    assert error.more[0].endswith("pairs.jsonl:1: both sides are equal, so neither is the better one")
