"""The mapping of columns: looking up, saying what is missing, and guessing."""

from __future__ import annotations

import re
import shlex

import pytest

from ftcore.columns import apply, as_flag, as_text, suggest

ROW = {
    "title": "Tea",
    "body": "Hot",
    "n": 3.0,
    "yes": True,
    "nothing": None,
    "answers": [{"text": "first"}, {"text": "second"}],
    "deep": {"er": {"est": "found"}},
    "user text": "hello",
    "a.b": "whole name",
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("title", "Tea"),
        ("n", 3.0),
        ("nothing", None),
        ("answers.0.text", "first"),
        ("answers.1.text", "second"),
        ("deep.er.est", "found"),
        ("a.b", "whole name"),
        ("{title}: {body}", "Tea: Hot"),
        ("{user text}!", "hello!"),
        ("{answers.1.text} of {n}", "second of 3"),
        ("[{nothing}] {yes}", "[] true"),
        ('{{"title": "{title}"}}', '{"title": "Tea"}'),
    ],
)
def test_a_place_is_a_column_a_path_or_a_template(place, value):
    assert apply({"x": place}, ROW) == {"x": value}


def test_only_the_mapped_names_are_left():
    assert apply({"prompt": "title", "completion": "body"}, ROW) == {"prompt": "Tea", "completion": "Hot"}


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("titel", ["there is no column 'titel' (did you mean 'title'?); the row has 'title', 'body'"]),
        ("{titel}: {body}", ["there is no column 'titel' (did you mean 'title'?)"]),
        ("deep.err.est", ["there is no column 'err' in 'deep' ('deep.err.est')", "it has 'er'"]),
        ("answers.text", ["'answers' is a list", "'answers.0'"]),
        ("answers.7.text", ["the list 'answers' has 2 items in this row, so there is no 'answers.7.text'"]),
        ("nothing.at.all", ["'nothing' is null in this row"]),
        ("title.x", ["'title' is a str in this row"]),
    ],
)
def test_what_is_missing_is_named_with_what_there_is(place, parts):
    with pytest.raises(ValueError, match=".*".join(map(re.escape, parts))):
        apply({"x": place}, ROW)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("a", "a"), (2.0, "2"), (2.5, "2.5"), (7, "7"), (False, "false"), ({"a": ["é"]}, '{"a": ["é"]}')],
)
def test_cells_as_text(value, text):
    assert as_text(value) == text


def test_the_flags_can_be_copied():
    columns = {"prompt": "{user text}: {body}", "completion": "it's"}
    words = shlex.split(as_flag(columns))
    assert words[::2] == ["--data.columns"] * 2
    assert dict(word.split("=", 1) for word in words[1::2]) == columns
    assert as_flag({"prompt": "sentence", "completion": "label"}) == (
        "--data.columns prompt=sentence --data.columns completion=label"
    )


LONG = "a sentence that is long enough to be asked about"


@pytest.mark.parametrize(
    ("rows", "mapping"),
    [
        ([{"sentence": LONG, "label": n % 2} for n in range(9)], {"prompt": "sentence", "completion": "label"}),
        ([{"Question": LONG, "Answer": 2.0, "Type": "sum"}], {"prompt": "Question", "completion": "Answer"}),
        ([{"1": "ham", "2": LONG}, {"1": "spam", "2": LONG + "!"}] * 5, {"prompt": "2", "completion": "1"}),
        ([{"1": f"{LONG} {n}", "2": "one_label"} for n in range(9)], {"prompt": "1", "completion": "2"}),
        (
            [{"1": "gj04", "2": str(n % 2), "3": "" if n % 2 else "*", "4": f"{LONG} {n}"} for n in range(9)],
            {"prompt": "4", "completion": "2"},
        ),
        (
            [{"1": f"Would {LONG}?{n}", "2": ["yes", "no"][n % 2], "3": LONG * 4 + str(n)} for n in range(9)],
            {"prompt": "1", "completion": "2"},
        ),
        ([{"id": "7f", "value": LONG}], {"text": "value"}),
        (
            [{"only": LONG + str(n), "other one": LONG * 3 + str(n)} for n in range(9)],
            {"prompt": "only", "completion": "other one"},
        ),
        (
            [{"id": "1", "instruction": LONG, "instances": [{"input": "", "output": "x"}]}],
            {"instruction": "instruction", "input": "instances.0.input", "output": "instances.0.output"},
        ),
        (
            [{"context": LONG, "question": "Why?", "answers": {"text": ["so"], "answer_start": [1]}}],
            {"prompt": "{context} {question}", "completion": "answers.text.0"},
        ),
        ([{"prompt": {"text": LONG, "replies": [{"text": "yes", "rank": 0}]}}],
         {"prompt": "prompt.text", "completion": "prompt.replies.0.text"}),
        ([{"n": 1, "m": 2}], {}),
        ([], {}),
    ],
)  # fmt: skip
def test_a_mapping_is_suggested_by_names_then_by_statistics(rows, mapping):
    assert suggest(rows) == mapping
    for row in rows:
        assert apply(mapping, row).keys() == mapping.keys()


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"instruction": "a", "output": "b", "rejected": "c"},
        {"prompt": "a", "completion": "b", "label": True},
        {"messages": [{"speaker": "A", "said": "b"}], "label": "x"},
    ],
)
def test_nothing_is_suggested_that_would_teach_the_wrong_half(row):
    assert suggest([row] * 3) == {}


def test_a_column_that_is_often_empty_is_not_suggested():
    rows = [{"sentence": LONG, "answer": "x" if n == 0 else None, "label": n % 2} for n in range(20)]
    assert suggest(rows)["completion"] == "label"
