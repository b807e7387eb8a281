"""No built-in component is without a contract class in this folder."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from ftcore.manager import PluginManager
from ftcore.specs import KINDS
from ftcore.testing.contract import Contract
from ftcore.testing.offered import CONTRACTS


def under_contract(kind: str) -> set[str]:
    """The names of a kind's components that a class in this folder tests."""
    module = importlib.import_module(f"tests.contracts.test_{KINDS[kind].plural}")
    classes = [value for name, value in vars(module).items() if name.startswith("Test") and inspect.isclass(value)]
    return {cls.name for cls in classes if issubclass(cls, Contract)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_component_is_under_contract(kind: str) -> None:
    built_in = {
        name for name, offers in PluginManager.discover().catalogue(kind).items()
        if any(offer.plugin.is_built_in for offer in offers)
    }  # fmt: skip
    assert built_in <= under_contract(kind), f"without a contract: {sorted(built_in - under_contract(kind))}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_contract_that_plugin_authors_find(kind: str) -> None:
    contract = CONTRACTS[kind].load()
    assert contract.kind == kind
    assert Path(inspect.getfile(contract)).stem in KINDS[kind].plural
