"""lock.json: all that could make the same run give another result, and whether a run that goes on is still the same.

What does not alter a number, such as who is told of it, may differ. It deliberately says nothing about plugins' code:
that is `ftcore.run.provenance`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ftcore
from ftcore.errors import DataError, FtcoreError, ModelError, UsageError
from ftcore.loading.words import few
from ftcore.run.folder import anew, read_json, read_lock
from ftcore.run.plan import Plan
from ftcore.run.provenance import plugins
from ftcore.types import Finding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ftcore.protocols import ModelLoader

FILE = "lock.json"
PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "bitsandbytes",
    "tokenizers",
    "safetensors",
)
"""Those whose versions can change a number."""

FREE = ("reporters", "checkpoints", "plugins")
"""The sections of a run file that alter no number."""


def lock(plan: Plan, loader: ModelLoader, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What stands in lock.json. The settings are hashed, so that a changed list is no way around the comparison."""
    settings = _settings(plan)
    return {
        "ftcore": ftcore.__version__,
        "packages": versions(),
        "plugins": plugins(plan),
        **_inputs(plan, loader, tokenizer),
        "seed": plan.train.seed,
        "hardware": list(plan.hardware.devices),
        "settings": settings,
        "settings_sha256": _sha256(settings),
    }


def _inputs(plan: Plan, loader: ModelLoader, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    template = str(tokenizer.chat_template or "")
    return {
        "model": loader.fingerprint(),
        "data": [entry.source.build().fingerprint() for entry in plan.data],
        "template": hashlib.sha256(template.encode()).hexdigest(),
    }


def require_same_inputs(folder: Path, plan: Plan, loader: ModelLoader, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise DataError or ModelError where going on with the run in the folder would silently mix two runs."""
    if not (folder / FILE).is_file():
        return
    old = _read(folder)
    errors: dict[str, type[FtcoreError]] = {"data": DataError, "model": ModelError, "template": ModelError}
    for key, now in _inputs(plan, loader, tokenizer).items():
        if old.get(key) != now:
            fix = f"start anew: {anew(folder)}"
            raise errors[key](f"the {key} has changed since the run began", where=str(folder / FILE), fix=fix)


def require_same_settings(folder: Path, plan: Plan) -> None:
    """Raise UsageError for a setting that alters a number and is another than when the run in the folder began.

    Raises ModelError for another version of ftcore. Nothing is imported for it.
    """
    if not (folder / FILE).is_file():
        return
    old, now = _read(folder), _settings(plan)
    if old["ftcore"] != ftcore.__version__:
        raise ModelError(
            f"the run was begun by ftcore {old['ftcore']}, and this is {ftcore.__version__}",
            where=str(folder / FILE),
            fix=f"pip install ftcore=={old['ftcore']}, or start anew: {anew(folder)}",
        )
    if changed := _differences(old["settings"], now):
        raise UsageError(
            f"settings of the run have changed since it began: {few(changed, 5)}",
            where=str(folder / "run.yaml"),
            more=[f"{key} was {_shown(old['settings'], key)}, and is now {_shown(now, key)}" for key in changed[:2]],
            fix=f"put them back in {folder / 'run.yaml'}, or start anew: {anew(folder)}",
        )


def changes(folder: Path, plan: Plan) -> Iterator[Finding]:
    """What is another than when the run in the folder began, and may be: versions of libraries, and free settings."""
    if not (folder / FILE).is_file():
        return
    before = _read(folder)["packages"]
    for name, version in versions().items():
        if before.get(name, version) != version:
            text = f"{name} was {before[name]} when the run began, and is {version}: numbers may come out otherwise"
            yield Finding("warning", text, f"pip install {name}=={before[name]}")
    planned = read_json(folder / "plan.json") if (folder / "plan.json").is_file() else None
    if isinstance(planned, dict) and isinstance(planned.get("plan"), dict):
        free = ({key: each.get(key) for key in FREE} for each in (planned["plan"], _plain(plan.dump())))
        if changed := _differences(*map(_flat, free)):
            yield Finding("note", f"changed since the run began, which alters no number: {few(changed, 5)}")


def _read(folder: Path) -> dict[str, Any]:
    """Raises ModelError where ftcore cannot have written lock.json, or somebody has changed the settings in it."""
    lock = read_lock(folder)
    parts = {"ftcore": str, "packages": dict, "settings": dict}
    is_ours = all(isinstance(lock.get(key), kind) for key, kind in parts.items())
    if not is_ours or lock.get("settings_sha256") != _sha256(lock["settings"]):
        text = "the settings in lock.json are not those that were written when the run began"
        raise ModelError(text, where=str(folder / FILE), fix=f"start anew: {anew(folder)}")
    return lock


def versions() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _settings(plan: Plan) -> dict[str, Any]:
    """Every setting that can alter a number, by its dotted name."""
    return _flat({key: value for key, value in _plain(plan.dump()).items() if key not in FREE})


def _plain(value: Any) -> Any:
    """As JSON holds it: lists for tuples, text for paths."""
    return json.loads(json.dumps(dict(value), default=str))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = {
        name: leaf
        for key, each in items
        for name, leaf in _flat(each, f"{prefix}.{key}" if prefix else str(key)).items()
    }
    return inner or {prefix: value}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    nothing = object()
    return [key for key in {**old, **new} if old.get(key, nothing) != new.get(key, nothing)]


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return json.dumps(settings[key], ensure_ascii=False) if key in settings else "not there"


def _sha256(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
