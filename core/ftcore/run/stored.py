"""Tensors in safetensors files, each read when it is asked for: no model need be in memory a second time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError
from ftcore.run.folder import read_json

if TYPE_CHECKING:
    from torch import Tensor

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class Stored(Mapping[str, "Tensor"]):
    """
    >>> Stored(folder / "adapter_model.safetensors")["model.norm.weight"].dtype
    torch.bfloat16
    """

    def __init__(self, *files: Path) -> None:
        """Raises ModelError for a file that cannot be read."""
        self._files: dict[str, Any] = {}
        for opened in map(_opened, files):
            self._files |= dict.fromkeys(opened.keys(), opened)

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = self._files[name].get_tensor(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def of_model(folder: Path) -> Stored:
    """What transformers reads of a model's folder: the one file, or else those that the index names."""
    if (folder / WHOLE).is_file():
        return Stored(folder / WHOLE)
    index = read_json(folder / INDEX)["weight_map"] if (folder / INDEX).is_file() else {}
    return Stored(*(folder / name for name in sorted({*index.values()})))


def _opened(file: Path) -> Any:
    from safetensors import safe_open

    try:
        return safe_open(str(file), framework="pt")
    except Exception as error:
        raise ModelError(f"the tensors cannot be read: {error}", where=str(file)) from None
