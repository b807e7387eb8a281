"""Settings are strict, frozen, and say which key is wrong and what was probably meant."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ValidationError

from ftcore.errors import UsageError
from ftcore.settings import Settings, validate


class Sample(Settings):
    """For these tests."""

    rank: int = 16
    """Width of the bottleneck."""

    rate: float = 0.1
    """A number."""


def test_the_text_under_a_field_is_its_help():
    assert Sample.model_fields["rank"].description == "Width of the bottleneck."


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Sample().rank = 3  # type: ignore[misc]


def test_a_typo_names_the_setting_that_was_meant():
    with pytest.raises(UsageError, match=r"no setting 'method.rnak' \(did you mean 'method.rank'\?\)") as error:
        validate(Sample, {"rnak": 8}, "method")
    assert error.value.fix == "--method.rank 8"


def test_a_strange_key_lists_what_there_is():
    with pytest.raises(UsageError) as error:
        validate(Sample, {"zzz": 8}, "method")
    assert error.value.more == ("settings here: rank, rate",)


def test_a_misspelt_choice_names_the_one_that_was_meant():
    class Chosen(Settings):
        loss: Literal["sigmoid", "ipo"] | None = None

    with pytest.raises(UsageError, match=r"'sigmoid' or 'ipo' \(did you mean 'sigmoid'\?\)") as error:
        validate(Chosen, {"loss": "sigmod"}, "strategy")
    assert error.value.fix == "--strategy.loss sigmoid"
    for other in ("xyz", "", 3):
        with pytest.raises(UsageError, match="'sigmoid' or 'ipo'") as error:
            validate(Chosen, {"loss": other}, "strategy")
        assert "did you mean" not in error.value.what


def test_a_wrong_type_shows_value_and_place():
    with pytest.raises(UsageError, match=r"method\.rank: input should be a valid integer") as error:
        validate(Sample, {"rank": "wide"}, "method", lambda key: f"run.yaml:3:9 ({key})")
    assert error.value.where == "run.yaml:3:9 (method.rank)"
    assert error.value.value == "'wide'"


def test_all_problems_are_named_at_once():
    with pytest.raises(UsageError) as error:
        validate(Sample, {"rank": "wide", "rate": "fast", "zzz": 1}, "method")
    assert len(error.value.more) == 2


def test_numbers_may_come_as_text_from_a_command_line():
    assert validate(Sample, {"rank": "8", "rate": "1e-3"}, "method") == Sample(rank=8, rate=1e-3)
