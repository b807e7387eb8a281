"""A contract that nobody can break says nothing: each of these components breaks the promises that are named here."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcore.manager import PluginManager
from ftcore.specs import KINDS
from ftcore.testing.verdicts import Verdict, judge

LIARS = str(Path(__file__).with_name("liars.py"))


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    manager = PluginManager.discover(files=[LIARS])
    offers = [(kind, offer) for kind in KINDS for found in manager.catalogue(kind).values() for offer in found]
    judged = judge([(kind, offer) for kind, offer in offers if offer.plugin.is_file], [LIARS])
    return {verdict.kind: verdict for verdict in judged}


def test_every_kind_has_its_liar(verdicts: dict[str, Verdict]) -> None:
    assert verdicts.keys() == KINDS.keys()
    assert all(verdict.broken and verdict.kept for verdict in verdicts.values())


BROKEN = {
    "model": {
        "the name and the fingerprint stay",
        "options are handed on and the weights are the same each time",
    },
    "data": {
        "rows stream",
        "what comes are rows that can be found again",
        "each reading gives the same rows",
        "the fingerprint stays while the content does",
    },
    "format": {
        "it recognises its rows and no others",
        "a row becomes the declared kind of example",
        "a bad row is refused with a reason",
        "odd values are refused or become text",
    },
    "method": {
        "the declared facts are consistent",
        "a state brings the same model back",
        "a state that does not fit is refused",
        "a run that was stopped ends as if it had not been",
    },
    "strategy": {
        "the trainer is guarded",
        "a run that was stopped ends as if it had not been",
    },
    "backend": {
        "the probe says what is there or why nothing is",
        "the precision is one that torch has (True)",
        "tensors can be held on its device",
        "memory is counted in bytes",
        "a tiny model trains there",
    },
    "rewards": {
        "it gives one finite number a sample",
        "no sample gets no number",
        "a score depends on its sample alone",
    },
    "evaluators": {
        "it gives the declared numbers",
        "asked again it says the same and leaves the model as it was",
    },
    "exporter": {
        "it names what it wrote (lora)",
        "it writes safetensors and text and no pickle (full)",
        "the tokenizer stands beside the weights (lora)",
    },
    "reporters": {
        "it handles every event of a run",
        "it handles a run that goes on after a stop",
    },
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_a_liar_breaks_is_found(verdicts: dict[str, Verdict], kind: str) -> None:
    found = {promise.words for promise in verdicts[kind].broken}
    assert BROKEN[kind] <= found, f"not found: {BROKEN[kind] - found}; found: {found}"
