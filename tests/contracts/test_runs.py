"""The rows of `ftcore.testing.runs` hold every kind of example that there is, as ftcore's own formats read them."""

from __future__ import annotations

from typing import get_args

from ftcore.manager import PluginManager
from ftcore.specs import ExampleKind
from ftcore.testing.runs import ROWS


def test_there_are_rows_of_every_kind() -> None:
    offers = [offer for found in PluginManager.discover().catalogue("format").values() for offer in found]
    specs = sorted((offer.spec for offer in offers if offer.plugin.is_built_in), key=lambda spec: -spec.priority)
    formats = [(spec.example, spec.factory.load()()) for spec in specs]
    assert set(ROWS) == set(get_args(ExampleKind))
    for kind, rows in ROWS.items():
        example, read = next((example, one) for example, one in formats if one.recognises(rows[0]))
        assert example == kind
        assert {read.example(row).kind for row in rows} == {kind}
