"""The demo's orders as a dataset source. The orders themselves are written by `orders.py`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from ftcore.types import BadRow, Row
from ftcore_plugins.demo import orders
from ftcore_plugins.demo.config import DemoDataConfig


class DemoOrders:
    """Training rows first, then the held-out part, marked by the column `split`.

    >>> next(DemoOrders(DemoDataConfig()).rows()).values["split"]
    'train'
    """

    def __init__(self, config: DemoDataConfig) -> None:
        self.config = config

    def rows(self) -> Iterator[Row | BadRow]:
        for split, count in (("train", self.config.rows), ("heldout", self.config.heldout)):
            for number, values in enumerate(orders.rows(count, split, self.config.seed, self.config.form), start=1):
                yield Row(values, where=f"demo:{split}:{number}")

    def fingerprint(self) -> str:
        """`sha256:…` over the rows, so it changes when ftcore's orders do."""
        digest = hashlib.sha256()
        for row in self.rows():
            assert isinstance(row, Row)
            digest.update(json.dumps(row.values, sort_keys=True).encode())
        return f"sha256:{digest.hexdigest()}"
