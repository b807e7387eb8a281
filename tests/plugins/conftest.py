"""Tiny models are slower on several threads, and much slower when others want the cores too."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """For all but the real model, as soon as torch is there."""
    torch = sys.modules.get("torch")
    if torch is None or request.node.get_closest_marker("real"):
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
