"""Reward functions: what each says of an answer, how a run names and weighs them, and what becomes of a broken one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.errors import PluginError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.resolve import resolve
from ftcore.run.rewards import RewardFunctions
from ftcore.run.runfile import RunFile, parse_run_file
from ftcore.types import Sample
from ftcore_plugins.rewards.answers import last_number
from ftcore_plugins.rewards.schema import check_schema, fits
from tests.conftest import Terminal, echo_rows, write_rows


def chosen(*entries: object) -> Any:
    """What the plan of a run with these entries under `rewards` holds."""
    values = {"method": "lora", "backend": "cpu", "rewards": list(entries)}
    return resolve(PluginManager.discover(), RunFile(values=values), {}).rewards


def scores(entry: object, *samples: tuple[str, str]) -> list[float | None]:
    """What a function says of (answer, reference) pairs."""
    functions = RewardFunctions(chosen(entry))
    (column,) = functions.scores([Sample("?", reference, answer) for answer, reference in samples]).values()
    return list(column)


# The functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She makes 9 * 2 = $18 every day.\n#### 18", 18),
        ("#### 1,234", 1234),
        ("so 18. That is all.", 18),
        ("it costs $1,018.50", 1018.5),
        ("from 5-3 to −2", -2),
        ("between 3 and -4", -4),
        ("roughly .5 of it", 0.5),
        ("6.02e23 of them", 6.02e23),
        ("100%", 100),
        ("#### 7 (of 12)", 7),
        ("12 #### none", None),
        ("none", None),
        ("R2D2 and v1.2", None),
        ("1e999", None),
        ("E0", None),
        ("", None),
    ],
)
def test_the_number_of_a_text(text: str, number: float | None) -> None:
    assert last_number(text) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3))
def test_any_number_is_found_again(number: Any) -> None:
    expected = float(number)
    assert last_number(f"so it is {number:,}.") == expected
    assert last_number(f"1 + 1 = 2\n#### {number}\n") == expected


@given(st.text())
def test_no_text_breaks_the_search_for_a_number(text: str) -> None:
    found = last_number(text)
    assert found is None or math.isfinite(found)


def test_numbers_are_the_same_within_the_tolerance() -> None:
    close = {"name": "numeric", "tolerance": 0.1}
    assert scores(close, ("110", "100"), ("111", "100"), ("0.1", "0"), ("0.11", "0")) == [1, 0, 1, 0]
    assert scores("numeric", ("18.0", "#### 18"), ("18.1", "18"), ("many", "18"), ("18", "many")) == [1, 0, 0, 0]


def test_length() -> None:
    assert scores({"name": "length", "target": 4}, ("abcd", ""), ("ab", ""), ("abcdef", ""), ("a" * 9, "")) == [
        1,
        0.5,
        0.5,
        0,
    ]
    limits = {"name": "length", "least": 2, "most": 4, "unit": "words"}
    assert scores(limits, ("a b", ""), ("a b c d", ""), ("a", ""), ("a b c d e", ""), ("", "")) == [1, 1, 0.5, 0.75, 0]
    assert scores({"name": "length", "most": 4}, ("", "")) == [1]


SCHEMA = {
    "type": "object",
    "required": ["item", "count"],
    "properties": {
        "item": {"enum": ["latte", "tea"]},
        "count": {"type": "integer"},
        "extras": {"type": "array", "items": {"type": ["string", "null"]}},
        "to_go": {"const": True},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ('{"item": "tea", "count": 1}', True),
        (' {"item": "tea", "count": 1.0, "extras": ["milk", null], "to_go": true}\n', True),
        ('{"item": "tea"}', False),
        ('{"item": "beer", "count": 1}', False),
        ('{"item": "tea", "count": true}', False),
        ('{"item": "tea", "count": 1.5}', False),
        ('{"item": "tea", "count": 1, "extras": [1]}', False),
        ('{"item": "tea", "count": 1, "to_go": 1}', False),
        ('{"item": "tea", "count": 1, "size": "large"}', False),
        ('{"item": "tea", "count": NaN}', False),
        ('["tea"]', False),
        ("tea", False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
def test_json_of_a_shape(answer: str, is_right: bool) -> None:
    assert scores({"name": "json-schema", "shape": SCHEMA}, (answer, "")) == [is_right]


def test_properties_that_are_not_named_may_have_a_shape_too() -> None:
    schema = {"properties": {"a": {}}, "additionalProperties": {"type": "number"}}
    check_schema(schema)
    assert fits({"a": "x", "b": 1}, schema)
    assert not fits({"a": "x", "b": "x"}, schema)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ('{"minLength": 3}', "schema uses minLength"),
        ('{"properties": {"a": {"pattern": "x"}}}', "schema.a uses pattern"),
        ('{"items": {"type": "int"}}', "the type 'int'"),
        ('{"required": "a"}', "required is a list"),
        ('{"additionalProperties": 3}', "additionalProperties is not a JSON object"),
        ("{", "no JSON"),
        ("[]", "No such file"),
        ("nowhere.json", "No such file"),
    ],
)
def test_a_schema_that_would_not_be_held_is_refused(schema: str, problem: str) -> None:
    with pytest.raises(UsageError) as refusal:
        chosen({"name": "json-schema", "shape": schema})
    assert problem in refusal.value.what


def test_a_schema_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(SCHEMA))
    entry = {"name": "json-schema", "shape": str(tmp_path / "order.json")}
    assert scores(entry, ('{"item": "tea", "count": 1}', ""), ("{}", "")) == [1, 0]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "regex"}, "pattern"),
        ({"name": "regex", "pattern": "("}, "no regular expression"),
        ({"name": "length"}, "say how long"),
        ({"name": "length", "target": 3, "most": 4}, "either a target"),
        ({"name": "length", "least": 5, "most": 4}, "more than most"),
        ({"name": "exact", "wieght": 2}, "did you mean 'weight'?"),
        ({"name": "exact", "weight": float("inf")}, "finite"),
        ({"weight": 2}, "names no reward function"),
        ("exakt", "did you mean 'exact'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(entry: object, problem: str) -> None:
    with pytest.raises(UsageError) as refusal:
        chosen(entry)
    assert problem in f"{refusal.value.where}: {refusal.value.what}"


# Weighing -------------------------------------------------------------------------------------------------------------


def test_a_reward_is_the_weighted_sum_and_a_missing_reference_counts_nothing() -> None:
    entries = [
        {"name": "exact", "weight": 2},
        {"name": "regex", "pattern": "^a", "weight": -0.5},
        {"name": "regex", "pattern": "b"},
    ]
    functions = RewardFunctions(chosen(*entries))
    said = functions.scores([Sample("?", "ab", "ab"), Sample("?", "", "ab"), Sample("?", "b", "a")])
    assert said == {"exact": [1, None, 0], "regex": [1, 1, 1], "regex-2": [1, 1, 0]}
    assert functions.totals(said) == [2.5, 0.5, -0.5]


def test_a_run_repeats_its_rewards_from_its_own_file() -> None:
    entries = [{"name": "exact", "weight": 2}, {"name": "json-schema", "shape": SCHEMA}, "numeric"]
    values = {"method": "lora", "backend": "cpu", "rewards": entries}
    first = resolve(PluginManager.discover(), RunFile(values=values), {})
    from ftcore.run.runfile import dump_run_file

    again = resolve(PluginManager.discover(), parse_run_file(dump_run_file(first.dump()), Path("run.yaml")), {})
    assert again.rewards == first.rewards
    assert [entry.function.spec.name for entry in again.rewards] == ["exact", "json-schema", "numeric"]
    assert "ftcore:rewards" in {choice.plugin.key for choice in first.choices()}


# In a run -------------------------------------------------------------------------------------------------------------

QUICK = ("--method", "lora", "--backend", "cpu", "--train.steps", 2, "--train.batch_size", 4, "--evaluate.holdout", 4,
         "--evaluate.generate", 3, "--evaluate.max_new_tokens", 4, "--train.max_length", 96)  # fmt: skip


def test_a_run_shows_its_rewards_before_and_after(ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path) -> None:
    line = ["run", "--model", tiny, "--data", rows, *QUICK, "--reporters", "metrics", "--out", "run"]
    done = ftcore(*line, "--rewards", "length,exact", "--rewards.target", 4, "--rewards.weight", 2, "--json")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    for when in ("before", "after"):
        said = report[when]["rewards"]
        assert list(said) == ["reward", "length_reward", "exact_reward"]
        assert said["reward"] == pytest.approx(2 * (said["length_reward"] + said["exact_reward"]))
    outputs = [sample["after"] for sample in report["samples"]]
    expected = [len(text) / 4 if len(text) < 4 else max(0, 1 - (len(text) - 4) / 4) for text in outputs]
    assert report["after"]["rewards"]["length_reward"] == pytest.approx(sum(expected) / len(expected))
    assert report["better"]["rewards"] == dict.fromkeys(said, "up")
    assert report["plan"]["rewards"][0]["weight"] == 2


def test_where_none_is_named_nothing_is_said(ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path) -> None:
    done = ftcore("run", "--model", tiny, "--data", rows, *QUICK, "--reporters", "console", "--out", "run")
    assert done.code == 0, done.err
    assert "reward" not in done.err
    assert "rewards" not in json.loads((tmp_path / "run" / "report.json").read_text())["after"]


def test_functions_that_nobody_asks_are_pointed_out(ftcore: Terminal, tiny: Path, rows: Path) -> None:
    line = ["plan", "--model", tiny, "--data", rows, "--method", "lora", "--rewards", "exact"]
    shown = ftcore(*line, "--rewards.weight", 2, "--evaluators", "loss").out
    assert "no evaluator of this run looks at its reward functions" in shown
    assert "rewards        exact, weight 2\n" in shown
    assert "looks at its reward functions" not in ftcore(*line).out


def test_help_init_and_schema_know_reward_functions(ftcore: Terminal, tmp_path: Path) -> None:
    shown = ftcore("run", "--method", "lora", "--rewards", "regex", "--help").out
    assert "--rewards.pattern" in shown
    assert "--rewards.weight" in shown
    assert "--rewards.weight" not in ftcore("run", "--method", "lora", "--help").out
    assert ftcore("init", "--method", "lora", "--rewards", "regex", "--rewards.pattern", "^a", "run.yaml").code == 0
    written = parse_run_file((tmp_path / "run.yaml").read_text(), tmp_path / "run.yaml")
    assert written.values["rewards"] == [{"name": "regex", "pattern": "^a"}]
    schema = ftcore("schema").json["properties"]["rewards"]
    variants = {one["title"]: one for one in schema["anyOf"][0]["anyOf"] if "title" in one}
    assert {"name", "pattern", "match", "weight"} == set(variants["reward function regex"]["properties"])


# Broken ones ----------------------------------------------------------------------------------------------------------

BROKEN = """
from ftcore import Ref, RewardSpec, hookimpl

@hookimpl
def ftcore_reward_functions():
    yield RewardSpec(name="faulty", summary="does what none should", factory=Ref(__name__ + ":Faulty"))

class Faulty:
    def scores(self, samples):
        return {body}
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[1 / len(sample.output) for sample in samples]", "raised ZeroDivisionError: division by zero"),
        ("[float('nan') if sample.output == '' else 1 for sample in samples]", "gave nan, which is not finite"),
        ("[None if sample.output == '' else 1 for sample in samples]", "gave None, which is no number"),
    ],
)
def test_a_function_that_fails_is_named_with_the_sample(body: str, said: str, tmp_path: Path) -> None:
    error = refused(body, tmp_path)
    assert error.what == f"the reward function 'faulty' {said}"
    assert error.where == f"{tmp_path / 'faulty.py'}:{10 if 'raised' in said else 9}"
    assert error.more == ("prompt: 'second?'", "answer: ''")
    assert error.exit_code == 7


def test_a_function_that_miscounts_is_named(tmp_path: Path) -> None:
    assert refused("None", tmp_path).what == (
        "the reward function 'faulty' gave None, not a list of scores; is a return missing?"
    )
    assert refused("[1.0]", tmp_path).what == "the reward function 'faulty' gave 1 scores for 2 answers"


def refused(body: str, folder: Path) -> PluginError:
    path = folder / "faulty.py"
    path.write_text(BROKEN.format(body=body))
    manager = PluginManager.discover(files=[str(path)])
    plan = resolve(manager, RunFile(values={"method": "lora", "backend": "cpu", "rewards": "faulty"}), {})
    with pytest.raises(PluginError) as refusal:
        RewardFunctions(plan.rewards).scores([Sample("first?", "", "yes"), Sample("second?", "", "")])
    return refusal.value


def test_a_broken_function_ends_the_run_with_the_plugins_exit_code(
    ftcore: Terminal, tiny: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows.jsonl", echo_rows(12))
    (tmp_path / "faulty.py").write_text(BROKEN.format(body="[float('inf')] * len(samples)"))
    line = ["run", "--model", tiny, "--data", "rows.jsonl", *QUICK, "--reporters", "metrics", "--rewards", "faulty"]
    done = ftcore(*line, "--plugin", "faulty.py", "--out", "run")
    assert done.code == 7
    assert "the reward function 'faulty' gave inf" in done.err
    assert "prompt: 'say" in done.err
    assert "plugins check --plugin faulty.py" in done.err
