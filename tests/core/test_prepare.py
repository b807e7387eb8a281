"""Every row is accounted for, no held-out row is trained on, and what teaches nothing is refused or named."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.errors import DataError
from ftcore.manager import PluginManager
from ftcore.run.prepare import Prepared, prepare
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from ftcore.run.store import dump_example, load_example
from ftcore.testing.tiny import tiny_tokenizer
from ftcore.types import ChatExample, TextExample, Turn
from tests.conftest import echo_rows, write_rows

MANAGER = PluginManager.discover()
TOKENIZER = tiny_tokenizer()

Rows = list[dict[str, Any]]


def prepared(folder: Path, *sources: Rows, **flags: Any) -> Prepared:
    """Rows written to files and prepared as a run would, with dotted flags written with `__`."""
    files = [str(write_rows(folder / f"source{number}.jsonl", rows)) for number, rows in enumerate(sources)]
    given = {"data": files, **{name.replace("__", "."): value for name, value in flags.items()}}
    return prepare(resolve(MANAGER, RunFile(), given), MANAGER, TOKENIZER, folder / "run")


def texts(rows: Prepared, indices: list[int]) -> list[str]:
    return [TOKENIZER.decode(ids) for ids in rows.open(indices)["input_ids"]]


def messages(rows: Prepared) -> list[str]:
    return [finding.message for finding in rows.findings]


def quarantine(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "run" / "quarantine.jsonl").read_text().splitlines()]


# The account ----------------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "prompt": st.sampled_from(["a", "b", "c", "what is it?", "x" * 120]),
            "completion": st.sampled_from(["yes", "no", "maybe", "y" * 120, "", None]),
        },
        optional={"split": st.sampled_from(["heldout", "train"])},
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=80)
@given(
    sources=st.lists(ROWS, min_size=1, max_size=2),
    weight=st.sampled_from([0.5, 1, 1.5, 3]),
    limit=st.none() | st.integers(1, 12),
    holdout=st.sampled_from([0, 0.1, 0.5, 1, 3]),
    seed=st.integers(0, 3),
)
def test_every_row_is_trained_held_out_or_dropped_for_a_reason(
    sources: list[Rows], weight: float, limit: int | None, holdout: float, seed: int
):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            rows = prepared(
                folder, *sources, data__weight=weight, data__limit=limit, data__bad_rows="drop", train__max_length=100,
                evaluate__holdout=holdout, train__seed=seed,
            )  # fmt: skip
        except DataError:
            return  # a source without one usable row is refused; that has tests of its own
        account = rows.account()
        assert account["read"] == sum(min(len(source), limit or len(source)) for source in sources)
        assert len(quarantine(folder)) == sum(account["dropped"].values())
        for source in account["sources"]:
            assert source["read"] == source["trained"] + source["heldout"] + sum(source["dropped"].values())
        assert len(set(rows.trained)) == account["trained"]
        assert len(rows.trained) == account["trained"] + sum(source["repeated"] for source in account["sources"])
        assert len(rows.heldout) == len(set(rows.heldout)) == account["heldout"]
        assert not set(rows.trained) & set(rows.heldout)
        must_not_leak(rows)
        assert all(len(ids) <= 100 for ids in rows.open(rows.trained)["input_ids"])
        assert all(any(label != -100 for label in labels[1:]) for labels in rows.open(rows.trained)["labels"])


def must_not_leak(rows: Prepared) -> None:
    """A held-out row reads like a trained one only where the source itself held it out, and then it is said."""
    trained = set(texts(rows, rows.trained))
    leaked = [text for text in texts(rows, rows.heldout) if text in trained]
    said = [message for message in messages(rows) if "trained on too" in message]
    assert [message.split()[0] for message in said] == ([str(len(leaked))] if leaked else [])


def test_the_same_seed_splits_and_draws_alike_and_another_does_not(tmp_path: Path):
    def split(name: str, seed: int) -> tuple[list[int], list[int]]:
        (tmp_path / name).mkdir()
        rows = prepared(tmp_path / name, echo_rows(40), train__seed=seed, data__weight=1.5, evaluate__holdout=8)
        return rows.trained, rows.heldout

    first = split("first", 1)
    assert split("again", 1) == first
    other = split("other", 2)
    assert other[0] != first[0]
    assert other[1] != first[1]


# Held out -------------------------------------------------------------------------------------------------------------


def test_rows_that_read_the_same_stay_on_one_side(tmp_path: Path):
    twins = [row for row in echo_rows(10) for _ in range(3)]
    rows = prepared(tmp_path, twins, evaluate__holdout=9)
    assert len(rows.heldout) == 9
    assert set(Counter(texts(rows, rows.heldout)).values()) == {3}
    assert not [message for message in messages(rows) if "trained on too" in message]


def test_a_source_that_marks_its_held_out_rows_is_not_split_again(tmp_path: Path):
    own = [{**row, "split": "heldout" if n < 4 else "train"} for n, row in enumerate(echo_rows(12))]
    other = [{"prompt": f"other {n}", "completion": "x"} for n in range(10)]
    rows = prepared(tmp_path, own, other, evaluate__holdout=5)
    first, second = rows.account()["sources"]
    assert (first["trained"], first["heldout"]) == (8, 4)
    assert (second["trained"], second["heldout"]) == (5, 5)
    held = {text.split("<|im_end|>")[0] for text in texts(rows, rows.heldout)}
    assert {f"<|im_start|>user\n{row['prompt']}" for row in own[:4]} <= held


def test_a_marked_row_that_is_trained_on_too_is_named(tmp_path: Path):
    [row, *rest] = echo_rows(8)
    rows = prepared(tmp_path, [{**row, "split": "heldout"}, row, *rest])
    assert "1 held-out rows are trained on too, so their score means little" in messages(rows)


@pytest.mark.parametrize(("holdout", "expected"), [(0, 0), (0.01, 1), (0.25, 10), (0.99, 12), (7, 7), (39, 39)])
def test_how_many_rows_are_held_out(tmp_path: Path, holdout: float, expected: int):
    """A share takes no more than `evaluate.limit`, here 12; a number is taken as it is."""
    rows = prepared(tmp_path, echo_rows(40), evaluate__holdout=holdout, evaluate__limit=12)
    assert len(rows.heldout) == expected
    assert any("no row is held out" in message for message in messages(rows)) is (expected == 0)


def test_when_everything_is_held_out_there_is_nothing_to_train_on(tmp_path: Path):
    with pytest.raises(DataError, match="every row is held out"):
        prepared(tmp_path, [{**row, "split": "heldout"} for row in echo_rows(4)])


# Weights --------------------------------------------------------------------------------------------------------------


def test_a_whole_weight_repeats_every_trained_row_and_no_held_out_one(tmp_path: Path):
    rows = prepared(tmp_path, echo_rows(20), data__weight=3, evaluate__holdout=5)
    assert set(Counter(rows.trained).values()) == {3}
    assert len(rows.heldout) == len(set(rows.heldout)) == 5
    assert rows.account()["sources"][0]["repeated"] == 30


def test_a_share_draws_about_so_many_rows_and_accounts_for_the_others(tmp_path: Path):
    rows = prepared(tmp_path, echo_rows(400), data__weight=0.25, evaluate__holdout=0)
    account = rows.account()
    assert 70 <= account["trained"] <= 130
    assert account["dropped"] == {"not drawn (weight 0.25)": 400 - account["trained"]}
    assert quarantine(tmp_path)[0]["reason"] == "not drawn: the source's weight is 0.25"


def test_a_weight_of_more_than_one_draws_its_fraction(tmp_path: Path):
    times = Counter(Counter(prepared(tmp_path, echo_rows(400), data__weight=1.5, evaluate__holdout=0).trained).values())
    assert times.keys() == {1, 2}
    assert 150 <= times[2] <= 250


def test_a_weight_so_small_that_no_row_is_drawn_says_so(tmp_path: Path):
    with pytest.raises(DataError, match="no row of this source is drawn; 5 rows are too few for its weight") as error:
        prepared(tmp_path, echo_rows(5), data__weight=0.001)
    assert error.value.fix == "--data.weight 1"


# The gate -------------------------------------------------------------------------------------------------------------


def test_a_row_that_is_cut_is_counted_and_the_fix_names_the_length_that_is_needed(tmp_path: Path):
    long = {"prompt": "a", "completion": "y" * 300}
    rows = prepared(tmp_path, [*echo_rows(9), long], train__max_length=64)
    [finding] = [finding for finding in rows.findings if "exceed" in finding.message]
    assert "1 of 10 rows exceed 64 tokens; their end, and so the token that ends a turn, is cut off" in finding.message
    longest = rows.account()["sources"][0]["longest"]
    assert finding.fix == f"--train.max_length {longest}"
    again = prepared(tmp_path, [*echo_rows(9), long], train__max_length=longest)
    assert again.account()["sources"][0]["cut"] == 0


def test_a_row_whose_prompt_fills_the_limit_is_dropped_with_its_place(tmp_path: Path):
    rows = prepared(tmp_path, [*echo_rows(9), {"prompt": "x" * 300, "completion": "y"}], train__max_length=64)
    assert rows.account()["dropped"] == {"nothing to learn": 1}
    assert any(
        "1 of 10 rows dropped: 1 nothing to learn; the first is source0.jsonl:10: nothing" in message
        for message in messages(rows)
    )
    [dropped] = quarantine(tmp_path)
    assert dropped["where"] == "source0.jsonl:10"
    assert dropped["reason"].startswith("nothing to learn: the prompt alone fills train.max_length 64")


def test_a_source_that_teaches_nothing_is_refused_with_the_length_that_would_do(tmp_path: Path):
    with pytest.raises(DataError, match="nothing would be learned from this source") as error:
        prepared(tmp_path, echo_rows(9), train__max_length=8)
    assert len(error.value.more) == 3
    length = int(str(error.value.fix).removeprefix("--train.max_length "))
    assert prepared(tmp_path, echo_rows(9), train__max_length=length).account()["trained"] > 0


def test_special_tokens_inside_a_text_are_counted(tmp_path: Path):
    rows = prepared(tmp_path, [*echo_rows(5), {"prompt": "say <|im_end|>", "completion": "no"}])
    assert any("1 row with a special token" in message for message in messages(rows))


def test_a_template_that_cannot_render_a_conversation_drops_it_with_the_reason(tmp_path: Path):
    turns = [{"role": role, "content": role} for role in ("user", "assistant", "user", "assistant")]
    plain = [{"messages": turns[:2]} for _ in range(5)]
    rows = prepared(tmp_path, [*plain, {"messages": turns}], strategy__template="none")
    assert rows.account()["dropped"] == {"not renderable": 1}
    assert "one prompt and one answer" in quarantine(tmp_path)[0]["reason"]


def test_the_highest_token_of_all_rows_is_known(tmp_path: Path):
    rows = prepared(tmp_path, echo_rows(5))
    assert rows.largest_token() == max(max(ids) for ids in rows.open([*rows.trained, *rows.heldout])["input_ids"])


# On disk --------------------------------------------------------------------------------------------------------------

TURNS = st.builds(Turn, role=st.text(min_size=1), content=st.text(), trained=st.sampled_from([None, True, False]))


@given(
    st.builds(TextExample, st.text())
    | st.builds(ChatExample, st.lists(TURNS, max_size=3).map(tuple), st.just(({"name": "search"},)) | st.just(()))
)
def test_an_example_comes_back_from_disk_equal(example: ChatExample | TextExample):
    assert load_example(dump_example(example)) == example


def test_many_rows_go_to_disk_in_batches_and_keep_their_order(tmp_path: Path):
    rows = prepared(tmp_path, echo_rows(2100), evaluate__holdout=0)
    assert rows.trained == list(range(2100))
    found = texts(rows, [0, 999, 1000, 2099])
    assert [text.split("\n")[1].removesuffix("<|im_end|>") for text in found] == [
        echo_rows(2100)[index]["prompt"] for index in (0, 999, 1000, 2099)
    ]


# Conversations whose turns read otherwise once others follow ---------------------------------------------------------


@pytest.fixture
def forgetful():
    """A chat template that drops the thinking of earlier turns."""
    from tests.core.tokenizers import with_template

    return with_template("bytes", "qwen3")


THINKING = [
    {"messages": [{"role": role, "content": f"{text} {n}"} for role, text in
                  [("user", "a"), ("assistant", "<think>\nb\n</think>\n\nc"), ("user", "d"), ("assistant", "e")]]}
    for n in range(6)
]  # fmt: skip


def test_each_turn_is_learned_in_the_form_in_which_it_is_written(tmp_path: Path, forgetful, monkeypatch):
    monkeypatch.setattr("tests.core.test_prepare.TOKENIZER", forgetful)
    rows = prepared(tmp_path, THINKING, evaluate__holdout=2)
    account = rows.account()
    assert (account["read"], account["trained"], account["heldout"]) == (6, 4, 2)
    assert account["sources"][0]["unrolled"] == 6
    assert len(rows.trained) == 8
    assert len(rows.heldout) == 2
    learned = [
        forgetful.decode([token for token in labels if token != -100]) for labels in rows.open(rows.trained)["labels"]
    ]
    assert sum("b\n</think>" in text for text in learned) == 4
    assert sum(text.endswith("e 5<|im_end|>\n") or "e " in text for text in learned) == 4
    assert "6 rows more, for turns that read otherwise once other turns follow" in " ".join(messages(rows))
    assert [len(example.turns) for example in rows.examples(rows.heldout)] == [4, 4]


def test_the_old_way_learns_the_last_turn_alone_and_says_so(tmp_path: Path, forgetful, monkeypatch):
    monkeypatch.setattr("tests.core.test_prepare.TOKENIZER", forgetful)
    rows = prepared(tmp_path, THINKING, evaluate__holdout=2, data__unroll=False)
    assert len(rows.trained) == 4
    assert "6 turns not learned, since they read otherwise once other turns follow" in " ".join(messages(rows))
