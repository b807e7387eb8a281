"""Every value that a setting names can be typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from ftcore.cli.options import Setting, _members, _value
from ftcore.config import ENTRIES, SECTIONS
from ftcore.manager import PluginManager
from ftcore.specs import KINDS
from tests.conftest import Terminal, write_rows

MANAGER = PluginManager.discover()


def settings() -> Iterator[Setting]:
    models = {**SECTIONS, **ENTRIES}
    for prefix, model in models.items():
        yield from (Setting(prefix, name, field, "") for name, field in model.model_fields.items())
    for kind in KINDS:
        for offer in MANAGER.usable(kind):
            yield from (Setting(kind, name, field, offer.spec.name) for name, field in offer.fields().items())


def literals(annotation: Any) -> list[str]:
    return [str(word) for part in _members(annotation) if get_origin(part) is Literal for word in get_args(part)]


def test_every_literal_of_every_setting_can_be_given_on_the_line():
    typed = [(option, word) for option in settings() for word in literals(option.field.annotation)]
    assert len(typed) > 30
    assert any(word == "none" for _, word in typed)
    read = [(option, word, _value(option, (word,) if option.kind == "list" else word)) for option, word in typed]
    assert [(option.dotted, word) for option, word, value in read if value not in (word, [word])] == []


def test_none_means_nothing_where_a_setting_can_be_without_a_value():
    found = {option.dotted: option for option in settings()}
    assert _value(found["train.steps"], "none") is None
    assert _value(found["data.format"], "none") == "none"


@pytest.mark.parametrize("spelling", [["--strategy.template", "none"], ["--strategy.template=none"]])
def test_no_template_can_be_typed(ftcore: Terminal, tiny: Path, tmp_path: Path, spelling: list[str]):
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": f"say {n}", "completion": " yes"} for n in range(12)])
    planned = ftcore("plan", "--model", tiny, "--data", rows, "--yaml", *spelling)
    assert planned.code == 0, planned.err
    assert "template: none" in planned.out
