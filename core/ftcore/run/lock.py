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
from ftcore.run.folder import read_json, read_lock
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
    old = read_lock(folder)
    errors: dict[str, type[FtcoreError]] = {"data": DataError, "model": ModelError, "template": ModelError}
    for key, now in _inputs(plan, loader, tokenizer).items():
        if old.get(key) != now:
            raise errors[key](f"the {key} has changed since the run began", where=str(folder / FILE), fix=_anew(folder))


def require_same_settings(folder: Path, plan: Plan) -> Iterator[Finding]:
    """What is else than when the run in the folder began and may be. Nothing is imported for it.

    Raises UsageError for a setting that alters a number, ModelError for another version of ftcore.
    """
    if not (folder / FILE).is_file():
        return
    old = read_lock(folder)
    if old.get("settings_sha256") != _sha256(old.get("settings")):
        what = "the settings in lock.json are not those that were written when the run began"
        raise ModelError(what, where=str(folder / FILE), fix=_anew(folder))
    if old["ftcore"] != ftcore.__version__:
        raise ModelError(
            f"the run was begun by ftcore {old['ftcore']}, and this is {ftcore.__version__}",
            where=str(folder / FILE),
            fix=f"pip install ftcore=={old['ftcore']}   ({_anew(folder)})",
        )
    now = _settings(plan)
    if changed := list(_differences(old["settings"], now)):
        raise UsageError(
            f"settings of the run have changed since it began: {few(changed, 5)}",
            where=str(folder / "run.yaml"),
            more=[f"{key} was {_shown(old['settings'], key)}, and is now {_shown(now, key)}" for key in changed[:2]],
            fix=f"put them back in {folder / 'run.yaml'}, or {_anew(folder)}",
        )
    for name, version in versions().items():
        if (then := old["packages"].get(name)) not in (None, version):
            text = f"{name} was {then} when the run began, and is {version}: numbers may come out otherwise"
            yield Finding("warning", text, f"pip install {name}=={then}")
    before = read_json(folder / "plan.json").get("plan", {}) if (folder / "plan.json").is_file() else {}
    free = [{key: value for key, value in each.items() if key in FREE} for each in (before, _plain(plan.dump()))]
    if before and (others := list(_differences(_flat(free[0]), _flat(free[1])))):
        yield Finding("note", f"changed since the run began, which alters no number: {few(others, 5)}")


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


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


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    nothing = object()
    return (key for key in {**old, **new} if old.get(key, nothing) != new.get(key, nothing))


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return json.dumps(settings[key], ensure_ascii=False) if key in settings else "not there"


def _sha256(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _anew(folder: Path) -> str:
    return f"start anew: ftcore run {folder / 'run.yaml'} --out {folder}-2"
