"""Settings of the LoRA family's rows that fit tiny models, whose narrowest layer is 32 wide."""

from typing import Any

from ftcore_plugins.lora_family.row import Row


def small(row: Row) -> dict[str, Any]:
    """Defaults, but for ranks and blocks that a tiny model is too narrow for."""
    blocks = {one.name: 16 for one in row.settings if one.divides and 32 % one.default}
    ranks = {one.name: 8 for one in row.settings if one.name == "rank" and one.default > 8}
    return blocks | ranks
