"""Checkpoints: complete or absent, in safetensors and JSON only, and going on from the newest one.

A checkpoint is written into a hidden folder and renamed when everything in it is on disk; its manifest is written last.
There is no pointer to the newest one: the newest is the highest step whose manifest verifies.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError
from ftcore.run.folder import manifest, read_json, verify, write_json

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.safetensors"
TRAINER_STATE = "trainer_state.json"  # the name under which transformers' Trainer looks for it


def write(trainer: Any, state: Mapping[str, Tensor], folder: Path, keep: int) -> Path:
    """Write the checkpoint of the trainer's current step below `folder`; drop all but the `keep` newest."""
    step = trainer.state.global_step
    final = folder / f"step-{step:06d}"
    temporary = folder / f".tmp-step-{step:06d}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_tensors(temporary / STATE, state)
    _write_optimizer(temporary, trainer.optimizer.state_dict())
    write_json(temporary / "scheduler.json", trainer.lr_scheduler.state_dict())
    write_json(temporary / "rng.json", rng_state())
    trainer.state.save_to_json(str(temporary / TRAINER_STATE))
    _sync(temporary)
    write_json(temporary / "MANIFEST.json", {"step": step, "files": manifest(temporary)})
    _sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    _sync_folder(folder)
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return final


def newest(run: Path) -> Path | None:
    """The highest step that verifies, or None when there is no checkpoint.

    Raises ModelError when there are checkpoints but all are damaged.
    """
    problems = []
    for folder in sorted((run / "checkpoints").glob("step-*"), reverse=True):
        try:
            wrong = verify(folder, read_json(folder / "MANIFEST.json")["files"])
        except ModelError as error:
            wrong = [error.what]
        if not wrong:
            return folder
        problems.append(f"{folder.name}: {wrong[0]}")
    if problems:
        raise ModelError("no checkpoint of this run is intact", where=str(run), more=problems)
    return None


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copies, so that tensors that share memory (tied weights) are written like any other."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, str(path))


def load_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except Exception as error:
        raise ModelError(f"the tensors cannot be read: {error}", where=str(path)) from None


def _write_optimizer(folder: Path, state: Mapping[str, Any]) -> None:
    """Tensors apart from numbers; the keys of both are `parameter.name`."""
    import torch

    tensors: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            (tensors if isinstance(value, torch.Tensor) else numbers)[f"{parameter}.{name}"] = value
    save_tensors(folder / "optimizer.safetensors", tensors)
    write_json(folder / "optimizer.json", {"param_groups": state["param_groups"], "numbers": numbers})


def read_optimizer(folder: Path) -> dict[str, Any]:
    """What `torch.optim.Optimizer.load_state_dict` takes."""
    rest = read_json(folder / "optimizer.json")
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**rest["numbers"], **load_tensors(folder / "optimizer.safetensors")}.items():
        parameter, _, name = key.partition(".")
        state.setdefault(int(parameter), {})[name] = value
    return {"state": state, "param_groups": [_untuple(group) for group in rest["param_groups"]]}


def _untuple(group: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; Adam's betas are one."""
    return {key: tuple(value) if isinstance(value, list) and key != "params" else value for key, value in group.items()}


def rng_state() -> dict[str, Any]:
    """The states of all random generators as plain numbers, so that nothing has to be unpickled."""
    import numpy as np
    import torch

    state: Any = np.random.get_state()
    kind, keys, *rest = state
    return {
        "python": random.getstate(),
        "numpy": [kind, keys.tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
        "cuda": [state.tolist() for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
    }


def restore_rng(state: Mapping[str, Any]) -> None:
    import numpy as np
    import torch

    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.tensor(one, dtype=torch.uint8) for one in state["cuda"]])


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def describe(folder: Path) -> str:
    """One line about a checkpoint for people."""
    step = json.loads((folder / "MANIFEST.json").read_text())["step"]
    return f"step {step} ({folder})"
