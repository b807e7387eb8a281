"""Errors say what, where, the value and one fix, in at most six lines."""

from __future__ import annotations

import pytest

from ftcore import errors


def test_an_error_says_what_where_value_and_fix():
    error = errors.DataError("the row is empty", where="rows.jsonl:7", value="", fix="mend it")
    assert error.lines() == ["error: rows.jsonl:7: the row is empty", "  value: ", "  try: mend it"]


def test_many_problems_stay_within_six_lines_and_keep_the_fix():
    error = errors.DataError("broken", value="x" * 500, fix="mend them", more=[f"row {n}" for n in range(100)])
    lines = error.lines()
    assert len(lines) == 6
    assert lines[-1] == "  try: mend them"
    assert lines[-2] == "  and 98 more"
    assert len(lines[1]) < 220


def test_a_sentence_that_quotes_at_length_keeps_its_beginning_and_its_end():
    said = "\n".join(f"line {number}" for number in range(1000))
    head, fix = errors.PluginError(f"the source gives {said}, which is no row", where="my.py:3", fix="mend it").lines()
    assert head.startswith("error: my.py:3: the source gives line 0 line 1 ")
    assert head.endswith(" line 999, which is no row")
    assert "\n" not in head
    assert len(head) < 700
    assert fix == "  try: mend it"


def test_a_long_list_takes_the_lines_that_are_free():
    names = [f"method-{number}" for number in range(70)]
    lines = errors.UsageError("unknown", fix="list", more=["installed: " + ", ".join(names)]).lines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 202
    assert names[-1] in lines[-2]
    assert lines[0].startswith("error: ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, 2),
        (errors.DataError, 3),
        (errors.ModelError, 4),
        (errors.ResourceError, 5),
        (errors.DivergedError, 6),
        (errors.PluginError, 7),
        (errors.PolicyError, 8),
    ],
)
def test_every_branch_has_its_exit_code(error: type[errors.FtcoreError], code: int):
    assert error("x").exit_code == code
    assert error("x").record()["exit_code"] == code


def test_an_interruption_has_the_code_of_its_signal():
    assert errors.Interrupted(15).exit_code == 143
    assert errors.Interrupted(2).exit_code == 130


def test_the_closest_word_is_offered_and_a_far_one_is_not():
    assert errors.did_you_mean("rnak", ["rank", "alpha"]) == " (did you mean 'rank'?)"
    assert errors.did_you_mean("zzz", ["rank", "alpha"]) == ""
