"""Run files: safe YAML with places, strict keys, and numbers as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.errors import UsageError
from ftcore.run.runfile import dump_run_file, parse_run_file, read_run_file

PATH = Path("run.yaml")


def test_a_learning_rate_without_a_dot_is_a_number():
    assert parse_run_file("train: {learning_rate: 1e-5}", PATH).values == {"train": {"learning_rate": 1e-5}}


def test_every_key_knows_its_place():
    places = parse_run_file("method:\n  name: lora\n  rank: 8\n", PATH).places
    assert places["method.rank"] == "run.yaml:3:9"


def test_a_key_that_stands_twice_is_refused_with_both_places():
    with pytest.raises(UsageError, match=r"stands twice; it was first given at run\.yaml:1:1") as error:
        parse_run_file("model: a\nmodel: b\n", PATH)
    assert error.value.where == "run.yaml:2:1"


def test_broken_yaml_names_line_and_column():
    with pytest.raises(UsageError, match="not YAML") as error:
        parse_run_file("method:\n  - [lora\n", PATH)
    assert str(error.value.where).startswith("run.yaml:3")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just text"])
def test_what_is_no_mapping_is_refused(text: str):
    with pytest.raises(UsageError):
        parse_run_file(text, PATH)


def test_python_tags_are_not_obeyed():
    with pytest.raises(UsageError):
        parse_run_file("x: !!python/object/apply:os.system ['echo hi']", PATH)


def test_a_missing_file_says_how_to_make_one():
    with pytest.raises(UsageError, match="no such run file") as error:
        read_run_file(Path("absent.yaml"))
    assert error.value.fix == "ftcore init run.yaml"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=4))
def test_what_is_dumped_reads_back_equal(record: dict[str, object]):
    assert parse_run_file(dump_run_file(record), PATH).values == record
