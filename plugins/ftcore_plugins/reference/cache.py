"""Reference log-probabilities on disk: a resumed run need not compute them again, and no other run finds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ftcore.run import team
from ftcore.run.folder import remove

if TYPE_CHECKING:
    from pathlib import Path

    from ftcore.run.session import Session

FOLDER = "reference"
"""In the run folder, with a file for the rows to train on and one for those that are held out."""


def kept(session: Session, name: str, dataset: Any, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `compute` gives, from the run folder where it is there for the same rows, model and settings."""
    path = session.folder / FOLDER / f"{name}.safetensors"
    digest = fingerprint(session, dataset)
    found = team.by_first(lambda: _read(path, digest))
    if found is None:
        found = computed = compute()
        team.by_first(lambda: _write(path, computed, digest))
    return found


def fingerprint(session: Session, dataset: Any) -> str:
    """A hash of everything that the numbers follow from."""
    plan = session.plan
    what = [session.loader.fingerprint(), plan.method.dump(), plan.strategy.dump(), plan.backend.dump()]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
    digest.update(repr(plan.precision).encode())
    for index in range(len(dataset)):
        digest.update(repr(dataset[index]).encode())
    return digest.hexdigest()


def _read(path: Path, digest: str) -> dict[str, Tensor] | None:
    try:
        with safe_open(str(path), "pt") as file:
            is_same = (file.metadata() or {}).get("fingerprint") == digest
            return {name: file.get_tensor(name) for name in file.keys()} if is_same else None  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):  # not there, or damaged: it is computed again
        return None


def _write(path: Path, tensors: dict[str, Tensor], digest: str) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    remove(temporary)
    save_file(tensors, str(temporary), metadata={"fingerprint": digest})
    temporary.replace(path)
