"""A method and a strategy together: the small run that shows whether they get on.

A plan that is refused says why, before anything loads. What it says is the table of combinations in the documentation,
and a plan that it accepts must train, which `MethodContract` tries for every method.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.manager import PluginManager
from ftcore.run.plan import Plan
from ftcore.specs import StrategySpec
from ftcore.testing.offered import hints
from ftcore.testing.runs import plan


def together(manager: PluginManager, model: Path, folder: Path, method: Mapping[str, Any], strategy: str) -> Plan:
    """The checked plan of two steps, with what the strategy's plugin says that its runs need (`FTCORE_CHECK`).

    `method` is an entry of a run file. Raises FtcoreError with the reason where the two do not go together.
    """
    offer = manager.find("strategy", strategy)
    assert isinstance(offer.spec, StrategySpec)
    given = hints(manager, "strategy", offer)
    more = {
        **given.get("run_file", {}),
        "method": method,
        "strategy": {"name": strategy, **given.get("settings", {})},
        "train": {**given.get("run_file", {}).get("train", {}), "steps": 2, "warmup": 0},
    }
    return plan(manager, model, folder, offer.spec.examples[0], more)
