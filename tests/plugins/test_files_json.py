"""JSON files: shapes that are read, values that are refused, exact places, and documents larger than memory."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.errors import DataError
from ftcore.types import BadRow, Row
from ftcore_plugins.files.json_stream import BrokenJsonError, JsonStream
from tests.plugins.files_help import read, source, values, write

# The stream -----------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    items=st.lists(VALUES, max_size=6),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_any_list_reads_back_with_any_chunk_and_indentation(items, chunk, indent, ascii_only):
    written = [json.dumps(item, indent=indent, ensure_ascii=ascii_only) for item in items]
    text = "\n [ " + ",\n".join(written) + "\n]\n"
    stream = JsonStream(io.StringIO(text).read, chunk)
    found, expected_line = [], 2
    for (line, column), item in zip(stream.walk_list(), written, strict=True):
        assert (line, column) == (expected_line, 4 if not found else 1)
        found.append(stream.value()[0])
        expected_line += item.count("\n") + 1
    assert found == items
    assert stream.peek() == ""


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ('[{"a": 1},\n {"a" 2}]', 2, 7, "expecting ':' delimiter"),
        ('[{"a": 1}\n {"a": 2}]', 2, 2, "a comma or the end of the list should come here"),
        ('[{"a": 1},\n {"a": tru}]', 2, 8, "expecting value"),
        ('[{"a": 1},\n\n {"a": "x', 3, 8, "unterminated string starting"),
        ('[{"a": 1},\n {"a": 2', 2, 9, "cut off"),
        ('[{"a": 1},\n', 2, 1, "cut off"),
        ("[1, ]", 1, 5, "expecting value"),
        ('["a\nb"]', 1, 4, "invalid control character"),
    ],
)
def test_broken_documents_are_located(text, line, column, what, chunk):
    stream = JsonStream(io.StringIO(text).read, chunk)
    with pytest.raises(BrokenJsonError, match=what) as caught:
        [stream.value() for _ in stream.walk_list()]
    assert (caught.value.line, caught.value.column) == (line, column)


# Shapes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.json", '[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ("a.json", '{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("a.json", '["x", "y"]\n["z", "w"]\n', [{"1": "x", "2": "y"}, {"1": "z", "2": "w"}]),
        ("a.json", '[["x", 1], ["y", 2]]', [{"1": "x", "2": 1}, {"1": "y", "2": 2}]),
        ("a.jsonl", '"x"\n"y"', [{"value": "x"}, {"value": "y"}]),
        ("a.json", '["x",\n"y"]', [{"value": "x"}, {"value": "y"}]),
        ("a.jsonl", '["x", "y"]\n', [{"1": "x", "2": "y"}]),
        ("a.jsonl", ' {"a": "\\ud83d\\ude00"} \n', [{"a": "\U0001f600"}]),
    ],
)
def test_shapes_that_are_rows(tmp_path, name, content, rows):
    assert values(write(tmp_path, name, content)) == rows


def test_places_are_lines(tmp_path):
    rows = read(write(tmp_path, "a.json", '[\n  {\n    "a": 1\n  },\n  {"a": 2}\n]'))
    assert [row.where for row in rows] == ["a.json:2", "a.json:5"]
    rows = read(write(tmp_path, "b.json", '[{"a": 1}, {"a": 2},\n {"a": 3}]'))
    assert [row.where for row in rows] == ["b.json:1", "b.json:1:12", "b.json:2"]
    rows = read(write(tmp_path, "a.jsonl", '\n{"a": 1}\n\n{"a": 2}\n'))
    assert [row.where for row in rows] == ["a.jsonl:2", "a.jsonl:4"]


def refusal(path, **settings):
    with pytest.raises(DataError) as caught:
        read(path, **settings)
    return caught.value


def test_an_object_of_lists_needs_a_field(tmp_path):
    path = write(tmp_path, "a.json", json.dumps({"val": [["x", "l"]] * 9, "train": [["y", "m"]] * 2, "v": 1}))
    error = refusal(path)
    assert error.fix == "--data.field train"
    assert error.more == ("lists in it: train (2), val (9)",)
    assert values(path, field="train") == [{"1": "y", "2": "m"}] * 2
    assert values(path, field="val")[8] == {"1": "x", "2": "l"}
    error = refusal(path, field="trian")
    assert error.what == "there is no list of rows under 'trian' (did you mean 'train'?)"


def test_the_longest_list_of_rows_is_proposed(tmp_path):
    path = write(tmp_path, "a.json", json.dumps({"Definition": ["d"] * 9, "Instances": [{"input": "x"}] * 5}))
    assert refusal(path).fix == "--data.field Instances"


def test_a_field_may_lie_deeper_and_have_dots_in_its_name(tmp_path):
    path = write(tmp_path, "a.json", json.dumps({"x": {"no": 1}, "data": {"v1.0": [{"a": 1}]}, "z": []}))
    assert refusal(path).fix == "--data.field data.v1.0"
    assert values(path, field="data.v1.0") == [{"a": 1}]


def test_files_written_by_column_are_refused_with_a_command_that_turns_them(tmp_path):
    path = write(tmp_path, "a b.json", json.dumps({"q": ["x", "y"], "a": ["1", "2"]}))
    error = refusal(path)
    assert error.what == "the file is written by column (q, a), each a list of 2; rows are needed"
    subprocess.run(shlex.split(error.fix), check=True)
    assert values(tmp_path / "a b-rows.json") == [{"q": "x", "a": "1"}, {"q": "y", "a": "2"}]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.json", '{"a": "b"}', "the file is one object, with no list of rows in it"),
        ("a.json", "17", "the file holds one value, not a list of rows: 17"),
        ("a.json", "[]", "the file holds no rows"),
        ("a.json", '[{"a": 1}] x', "there is more after the end of the list"),
        ("a.jsonl", '[{"a": 1}, {"a": 2}]', "the file holds one JSON list, not one row a line"),
        ("a.jsonl", '[\n  {"a": 1}\n]', "the file holds one JSON list, not one row a line"),
    ],
)
def test_shapes_that_are_none(tmp_path, name, content, what):
    assert refusal(write(tmp_path, name, content)).what == what


def test_a_field_where_there_is_none_to_look_into(tmp_path):
    for name, content in (("a.jsonl", '{"a": 1}\n'), ("a.json", '[{"a": 1}]'), ("a.csv", "a\nb\n")):
        assert "field" in refusal(write(tmp_path, name, content), field="train").what


# Values ---------------------------------------------------------------------------------------------------------------

BAD = [
    ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is there twice"),
    ('{"a": NaN}', "NaN is not JSON; write null or a number"),
    ('{"a": [-Infinity]}', "-Infinity is not JSON; write null or a number"),
    ('{"a": 1e999}', "the number 1e999 is too large"),
    ('{"a": "x\\ud800y"}', "half of a surrogate pair (\\ud800), which is no character"),
    ('{"\\uDC00": "x"}', "half of a surrogate pair (\\udc00), which is no character"),
    ("17", "a row is an object, a list or a text, not 17"),
    ("null", "a row is an object, a list or a text, not null"),
    ("[]", "a row is an object, a list or a text, not an empty list"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_values_that_are_not_json_cost_their_row_only(tmp_path, row, reason):
    lines = ['{"a": 1}', row, '{"a": 2}']
    for name, content in (("a.jsonl", "\n".join(lines)), ("a.json", f"[{','.join(lines)}]".replace(",{", ",\n{"))):
        found = read(write(tmp_path, name, content))
        assert [type(row) for row in found] == [Row, BadRow, Row]
        assert found[1].reason == reason


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ('{"a": "b" "c": 1}', 11, "broken JSON: expecting ',' delimiter"),
        ('{"a": 1} {"b": 2}', 9, "broken JSON: there is more on the line after the row"),
        ("not json", 1, "broken JSON: expecting value"),
        ("  {\"a\": 'x'}", 9, "broken JSON: expecting value"),
        ("[" * 100_000, 1, "broken JSON: it is nested too deep"),
        ('{"a": ' + "1" * 5000 + "}", 1, "broken JSON: a whole number with thousands of digits"),
    ],
)
def test_a_broken_line_is_named_exactly_and_the_next_is_read(tmp_path, line, column, reason):
    content = '{"a": 1}\n' * 1016 + line + '\n{"a": 2}\n'
    *_, bad, last = read(write(tmp_path, "train.jsonl", content))
    assert bad == BadRow(f"train.jsonl:1017:{column}", reason)
    assert last == Row({"a": 2}, "train.jsonl:1018")


def test_a_broken_document_stops_with_its_place(tmp_path):
    path = write(tmp_path, "a.json", '[{"a": 1},\n{"a": 2]')
    assert refusal(path).where == "a.json:2:8"
    assert refusal(path).fix == f"python -P -m json.tool {path}"


def test_a_table_under_the_name_of_json_gets_its_own(tmp_path):
    path = write(tmp_path, "a.json", "prompt,completion\nhello,there\n")
    assert refusal(path).fix == f"mv {path} {tmp_path / 'a.csv'}"


def test_a_document_is_never_held_whole(tmp_path):
    rows = [json.dumps({"text": "x" * 150, "n": n}) for n in range(45_000)]
    path = tmp_path / "a.json"
    path.write_text('{"val": [' + ",".join(rows) + '], "train": [' + ",\n".join(rows) + "]}")
    lines = write(tmp_path, "b.jsonl", "\n".join(rows))
    del rows
    assert path.stat().st_size > 15e6
    for file, field in ((path, "train"), (lines, None)):
        tracemalloc.start()
        count = 0
        for _ in source(file, field=field).rows():
            count += 1
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 45_000
        assert peak < 6e6
