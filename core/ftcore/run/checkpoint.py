"""Checkpoints: complete or absent, in safetensors and JSON only, and going on from the newest one.

A checkpoint is written into a hidden folder and renamed when everything in it is on disk; its manifest is written last.
There is no pointer to the newest one: the newest is the highest step whose manifest verifies.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError, PolicyError
from ftcore.run.folder import anew, follow_umask, manifest, read_json, remove, verify_manifest, write_json

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.safetensors"
PROGRESS = "progress.safetensors"
TRAINER = "trainer.safetensors"
SCALER = "scaler.json"
TRAINER_STATE = "trainer_state.json"  # the name under which transformers' Trainer looks for it


def write(
    trainer: Any,
    state: Mapping[str, Tensor],
    folder: Path,
    keep: int,
    progress: Mapping[str, Tensor] | None = None,
    random_states: Sequence[Mapping[str, Any]] = (),
    own: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write the checkpoint of the trainer's current step below `folder`; drop all but the `keep` newest.

    `progress` is what a method remembers from step to step beyond `state`; `random_states` are the `rng_state()` of all
    processes that train, where this is not the only one. `own` is what the trainer learns or remembers by itself.
    """
    step = trainer.state.global_step
    final, temporary = folder / f"step-{step:06d}", folder / f".tmp-step-{step:06d}"
    if folder.is_symlink():
        raise PolicyError("a link stands in the place of the run's checkpoints", where=str(folder), fix=f"rm {folder}")
    for stale in folder.glob(".tmp-step-*"):  # left by a run that was killed
        remove(stale)
    temporary.mkdir(parents=True)
    try:
        parts = {STATE: state, PROGRESS: progress, TRAINER: own}
        _fill(temporary, trainer, parts, random_states or [rng_state()])
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    remove(final)
    temporary.rename(final)
    _sync_folder(folder)
    for old in _steps(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def _fill(
    folder: Path,
    trainer: Any,
    parts: Mapping[str, Mapping[str, Tensor] | None],
    random_states: Sequence[Mapping[str, Any]],
) -> None:
    for name, tensors in parts.items():
        if tensors is not None:
            save_tensors(folder / name, tensors)
    _write_optimizer(folder, trainer.optimizer.state_dict())
    write_json(folder / "scheduler.json", trainer.lr_scheduler.state_dict())
    for rank, random_state in enumerate(random_states):
        write_json(folder / rng_name(rank), random_state)
    if (scaler := trainer.accelerator.scaler) is not None:  # of fp16, a few numbers
        write_json(folder / SCALER, scaler.state_dict())
    trainer.state.save_to_json(str(folder / TRAINER_STATE))
    follow_umask(folder)
    _sync(folder)
    write_json(folder / "MANIFEST.json", {"step": trainer.state.global_step, "files": manifest(folder)})
    _sync(folder)


def newest(run: Path, warn: Callable[[str], object] = lambda _: None) -> Path | None:
    """The highest step that verifies, or None when there is no checkpoint.

    Damaged ones above it are put aside under another name, so that they are neither counted nor met again; `warn` is
    told of each. Raises ModelError when there are checkpoints but all are damaged.
    """
    damaged: dict[Path, str] = {}
    for folder in reversed(_steps(run / "checkpoints")):
        wrong = verify_manifest(folder)
        if wrong:
            damaged[folder] = wrong[0]
            continue
        for other, reason in damaged.items():
            aside = other.with_name(f"damaged-{other.name}")
            remove(aside)
            other.rename(aside)
            warn(f"the checkpoint {other.name} is damaged ({reason}); going on from {folder.name}")
        return folder
    if damaged:
        raise ModelError(
            "no checkpoint of this run is intact",
            where=str(run),
            more=[f"{folder.name}: {reason}" for folder, reason in damaged.items()],
            fix=f"start anew: {anew(run)}",
        )
    return None


def _steps(folder: Path) -> list[Path]:
    """The checkpoints below a folder, oldest first. By number: step-1000000 comes after step-999999.

    What else people keep there, such as a copy `step-000002.bak`, is theirs, and is left alone.
    """
    own = (path for path in folder.glob("step-*") if re.fullmatch(r"step-\d{6,}", path.name))
    return sorted(
        (path for path in own if path.is_dir() and not path.is_symlink()), key=lambda path: int(path.name[5:])
    )


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
        for name, value in _flat(values):
            (tensors if isinstance(value, torch.Tensor) else numbers)[f"{parameter}.{name}"] = value
    save_tensors(folder / "optimizer.safetensors", tensors)
    write_json(folder / "optimizer.json", {"param_groups": state["param_groups"], "numbers": numbers})


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """bitsandbytes puts its tensors into a dictionary inside of the state, and takes them without it as well."""
    for name, value in values.items():
        yield from value.items() if isinstance(value, Mapping) else [(name, value)]


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


def rng_name(rank: int) -> str:
    """The file with the random state of one of the processes that train."""
    return f"rng-{rank}.json" if rank else "rng.json"


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
