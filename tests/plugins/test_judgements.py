"""What rows that compare, judge or ask mean, from the row to what a run counts of it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from ftcore.columns import apply
from ftcore.errors import DataError
from ftcore.manager import PluginManager
from ftcore.run.prepare import prepare
from ftcore.run.resolve import resolve
from ftcore.run.rows import read, recognise
from ftcore.run.runfile import RunFile
from ftcore.testing.tiny import tiny_tokenizer
from ftcore.types import BadRow, FeedbackExample, PreferenceExample, PromptExample, Turn
from ftcore_plugins.judgements.feedback import Feedback
from ftcore_plugins.judgements.preference import Preference
from ftcore_plugins.judgements.prompt import Prompt
from tests.conftest import SHARED, Terminal, write_rows

MANAGER = PluginManager.discover()

HI, HELLO, WHAT = Turn("user", "Hi"), Turn("assistant", "Hello!"), Turn("assistant", "What?")
SAID = {"role": "user", "content": "Hi"}
GOOD, BAD = {"role": "assistant", "content": "Hello!"}, {"role": "assistant", "content": "What?"}


def heard(said: dict[str, str]) -> dict[str, str]:
    return {"from": {"user": "human", "assistant": "gpt"}[said["role"]], "value": said["content"]}


# Preferences ---------------------------------------------------------------------------------------------------------

ALIKE = {
    "texts": {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"},
    "instruction": {"instruction": "Hi", "input": "", "output": "Hello!", "chosen": "Hello!", "rejected": "What?"},
    "messages": {"prompt": [SAID], "chosen": [GOOD], "rejected": [BAD]},
    "one message": {"messages": [SAID], "chosen": GOOD, "rejected": BAD},
    "sharegpt": {"conversations": [heard(SAID)], "chosen": heard(GOOD), "rejected": heard(BAD)},
    "conversations": {"chosen": [SAID, GOOD], "rejected": [SAID, BAD]},
    "prompt repeated": {"prompt": [SAID], "chosen": [SAID, GOOD], "rejected": [SAID, BAD]},
    "transcripts": {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello!", "rejected": "\n\nHuman: Hi\n\nAssistant: What?"},
}


@pytest.mark.parametrize("row", ALIKE.values(), ids=ALIKE)
def test_a_pair_is_the_same_however_it_is_written(row: dict[str, Any]):
    assert Preference().recognises(row)
    assert Preference().example(row) == PreferenceExample((HI,), (HELLO,), (WHAT,))


def test_what_both_sides_share_is_the_prompt_but_for_an_answer():
    again = {"role": "user", "content": "And you?"}
    row = {"chosen": [SAID, GOOD, again, GOOD], "rejected": [SAID, GOOD, again, BAD]}
    assert Preference().example(row) == PreferenceExample((HI, HELLO, Turn("user", "And you?")), (HELLO,), (WHAT,))


@pytest.mark.parametrize(
    ("more", "margin"),
    [
        ({"margin": 2}, 2.0),
        ({"score_chosen": 8.5, "score_rejected": 6}, 2.5),
        ({"chosen_score": 1, "rejected_score": 3}, -2.0),
        ({"margin": None}, None),
    ],
)
def test_scores_say_by_how_much_one_is_better(more: dict[str, Any], margin: float | None):
    assert Preference().example({**ALIKE["texts"], **more}).margin == margin


def test_a_system_message_goes_before_the_prompt():
    found = Preference().example({**ALIKE["texts"], "system": "Be brief."})
    assert found.prompt == (Turn("system", "Be brief."), HI)


# Feedback and prompts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "good"),
    [(True, True), (1, True), ("1", True), ("good", True), ("Thumbs up", True), (1.0, True),
     (False, False), (0, False), ("bad", False), (-1, False), ("undesirable", False)],
)  # fmt: skip
def test_a_label_may_be_a_number_or_a_word(label: Any, good: bool):
    row = {"prompt": "Hi", "completion": "Hello!", "label": label}
    assert Feedback().recognises(row)
    assert Feedback().example(row) == FeedbackExample((HI,), (HELLO,), good)


def test_of_messages_the_last_answer_is_judged():
    row = {"messages": [SAID, GOOD, SAID, BAD], "label": 0}
    assert Feedback().example(row) == FeedbackExample((HI, HELLO, HI), (WHAT,), False)


@pytest.mark.parametrize("label", ["spam", 7, 0.5, ["good"]])
def test_classes_are_no_feedback(label: Any):
    assert Feedback().recognises({"text": "Hi", "prompt": "Hi", "completion": "Hello!", "label": label}) is None


@pytest.mark.parametrize(
    ("row", "example"),
    [
        ({"prompt": "Hi"}, PromptExample((HI,))),
        ({"question": "Hi", "answer": "Hello!"}, PromptExample((HI,), "Hello!")),
        ({"messages": [SAID, GOOD]}, PromptExample((HI,), "Hello!")),
        ({"turns": ["Hi", "And you?"]}, PromptExample((HI,))),
        ({"instruction": "Hi", "output": "Hello!"}, PromptExample((HI,), "Hello!")),
    ],
)
def test_a_prompt_may_bring_the_right_answer(row: dict[str, Any], example: PromptExample):
    assert Prompt().recognises(row)
    assert Prompt().example(row) == example


def test_a_question_beside_its_context_is_not_all_that_is_asked():
    assert Prompt().recognises({"question": "Who?", "context": "Ann came.", "answer": "Ann"}) is None


# What a run counts ---------------------------------------------------------------------------------------------------


def test_rows_that_teach_no_preference_are_counted_and_put_aside(tiny: Path, tmp_path: Path):
    long = "word " * 40
    rows = [
        *({"prompt": f"say {n}", "chosen": f"{n}", "rejected": "no"} for n in range(6)),
        {"prompt": "Hi", "chosen": "Hello!", "rejected": "Hello!"},
        {"chosen": [SAID, GOOD], "rejected": [{"role": "user", "content": "Bye"}, BAD]},
        {"prompt": "Hi", "chosen": f"{long}yes", "rejected": f"{long}no"},
        {"prompt": long, "chosen": "yes", "rejected": "no"},
    ]
    plan = resolve(
        MANAGER,
        RunFile(),
        {"model": str(tiny), "data": str(write_rows(tmp_path / "rows.jsonl", rows)), "strategy": "dpo",
         "train.max_length": "80", "evaluate.holdout": "0", "data.bad_rows": "drop"},
    )  # fmt: skip
    account = prepare(plan, MANAGER, tiny_tokenizer(), tmp_path / "run").account()
    assert account["trained"] == 6
    assert account["dropped"] == {
        "equal sides": 1, "no shared prompt": 1, "equal when cut": 1, "nothing to learn": 1
    }  # fmt: skip
    aside = [json.loads(line) for line in (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines()]
    assert [row["where"].rpartition(":")[2] for row in aside] == ["7", "8", "9", "10"]
    assert "neither is the better one" in aside[0]["reason"]
    assert "they do not answer the same" in aside[1]["reason"]


def test_a_preview_shows_prompt_and_answers_apart(ftcore: Terminal, tiny: Path, tmp_path: Path):
    data = write_rows(tmp_path / "rows.jsonl", [{**ALIKE["texts"], "margin": 2}] * 3)
    line = ("data", "preview", "--model", tiny, "--data", data, "--strategy", "dpo", "--rows", 1)
    shown = ftcore(*line).out
    assert "prompt    <|im_start|>user\n          Hi<|im_end|>\n          <|im_start|>assistant\n" in shown
    assert "chosen    ⟦Hello!<|im_end|>\n          ⟧" in shown
    assert "rejected  ⟦What?<|im_end|>\n          ⟧" in shown
    assert "margin    2" in shown
    [record] = ftcore(*line, "--json").json["rows"]
    assert record["chosen"]["text"] == "Hello!<|im_end|>\n"
    assert [token["learned"] for token in record["prompt"]["tokens"]] == [False] * len(record["prompt"]["tokens"])
    assert "learned" in ftcore(*line, "--tokens").out


def test_so_does_a_preview_of_feedback(ftcore: Terminal, tiny: Path, tmp_path: Path):
    data = write_rows(tmp_path / "rows.jsonl", [{"prompt": "Hi", "completion": "What?", "label": "bad"}] * 3)
    shown = ftcore("data", "preview", "--model", tiny, "--data", data, "--strategy", "kto", "--rows", 1).out
    assert "bad       ⟦What?<|im_end|>" in shown


# Files as they are found in the wild ---------------------------------------------------------------------------------

FILES = {
    "preference/alpaca_style_pairs_800.json": ("preference", 800),
    "preference/dpo_en_demo_200.json": ("preference", 200),
    "preference/hh_format_from_dpo_demo_200.jsonl": ("preference", 200),
    "preference/hh_rlhf_handpicked_57.jsonl": ("preference", 57),
    "preference/kto_en_demo_200.json": ("feedback", 200),
    "prompts/oasst_prompt_lottery_250.jsonl": "prompt=value",
    "prompts/vicuna_questions_80.jsonl": ("prompt", 80),
    "verifiable/aqua_dev.json": "prompt=question --data.columns completion=correct",
    "verifiable/arithmetic_sequence_train.parquet": ("prompt", 800),
    "verifiable/countdown_rg_500.jsonl": ("prompt", 500),
    "verifiable/gsm8k_train_head2000.jsonl": ("prompt", 2000),
    "verifiable/humaneval_100.jsonl": ("prompt", 100),
    "verifiable/ifeval_300.jsonl": ("prompt", 300),
    "verifiable/math_level1to3_900.jsonl": ("prompt", 900),
    "verifiable/reasoning_gym_mixed_600.jsonl": ("prompt", 600),
    "verifiable/svamp_700.json": "'prompt={Body} {Question}' --data.columns completion=Answer",
}
"""The format that is found and how many examples it makes, or the mapping that is proposed."""

needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real data is not there")


def source(name: str) -> Any:
    return resolve(MANAGER, RunFile(), {"data": str(SHARED / name), "strategy": "dpo"}).data[0]


@needs_data
def test_something_is_expected_of_every_file():
    folders = ("preference", "prompts", "verifiable")
    found = {path.relative_to(SHARED).as_posix() for name in folders for path in (SHARED / name).rglob("*.*")}
    assert found == set(FILES)


@needs_data
@pytest.mark.parametrize("name", FILES)
def test_a_file_loads_or_is_refused_with_the_mapping(name: str):
    entry, expected = source(name), FILES[name]
    kinds = ("preference", "feedback") if name.startswith("preference") else ("prompt",)
    if isinstance(expected, str):
        with pytest.raises(DataError) as caught:
            recognise(MANAGER, entry, kinds)
        assert caught.value.fix == f"--data.columns {expected}"
        mapping = dict(part.strip("' ").split("=", 1) for part in expected.split("--data.columns"))
        row = next(iter(entry.source.build().rows()))
        assert Prompt().recognises(apply(mapping, row.values))
        return
    found = recognise(MANAGER, entry, kinds)
    rows = list(itertools.islice(read(entry, found), 3000))
    assert (found.example, sum(not isinstance(row, BadRow) for row in rows)) == expected
