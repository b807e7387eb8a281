"""Run file + flags → Plan: choose the components, validate their settings, fill in what was left out.

Nothing heavy is imported, nothing is read but what backends can tell about the machine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.config import SECTIONS, DataSettings, split_data_entry
from ftcore.errors import PluginError, ResourceError, UsageError, closest, did_you_mean
from ftcore.manager import Offer, PluginManager
from ftcore.run.folder import read_json
from ftcore.run.plan import Choice, DataChoice, Plan
from ftcore.run.runfile import RunFile, read_run_file
from ftcore.settings import Settings, validate
from ftcore.specs import KINDS
from ftcore.types import Hardware

AXES = ("model", "data", "method", "strategy", "backend", "evaluators", "exporter", "reporters")
LISTS = ("data", "evaluators", "reporters")
"""Axes of which a run may have several."""

KEYS = (*AXES, *SECTIONS, "out", "plugins")


def merge(run_file: RunFile, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Lay flags over a run file. A flag that names a component replaces it; dotted flags reach into it.

    `flags` are dotted: `{"method": "lora", "method.rank": "8", "data": ["a.jsonl"]}`. A dotted flag under an axis of
    which there may be several is kept under `axis.*`, for each of them that has such a setting.
    """
    for key in run_file.values:
        if key not in KEYS:
            near = closest(str(key), KEYS)
            raise UsageError(
                f"there is no key {key!r}{did_you_mean(str(key), KEYS)}",
                where=run_file.places.get(str(key)),
                fix=f"{near}: …" if near else "ftcore schema",
                more=[] if near else [f"keys: {', '.join(KEYS)}"],
            )
    # `model:` with nothing behind it says nothing, like a section that is left empty.
    written = {key: value for key, value in run_file.values.items() if value is not None}
    merged = {key: _as_entries(key, value) if key in AXES else value for key, value in written.items()}
    for key, value in flags.items():
        if key in AXES:
            merged[key] = _replace(merged.get(key, []), _as_entries(key, value))
    for key, value in flags.items():
        section, dot, setting = key.partition(".")
        if not dot:
            if key not in AXES:
                merged[key] = value
        elif section in LISTS:
            shared: Any = merged.setdefault(f"{section}.*", {})
            shared[setting] = value
        elif section in AXES:
            for entry in merged.setdefault(section, [{}]):
                entry[setting] = value
        else:
            old: Any = merged.get(section) or {}
            merged[section] = {**old, setting: value}
    return merged


def _as_entries(axis: str, value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    if len(items) > 1 and axis not in LISTS:
        raise UsageError(f"a run has one {KINDS[axis].title}", where=axis, value=items, fix=f"--{axis} {items[0]}")
    return [dict(item) if isinstance(item, Mapping) else {"name": None, "": item} for item in items]


def _replace(old: Sequence[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Naming the same component on the command line keeps the run file's settings for it."""
    if len(old) == len(new) == 1 and old[0].get("name") and old[0]["name"] == new[0].get(""):
        return [dict(old[0])]
    return new


def choose(manager: PluginManager, merged: Mapping[str, Any], axis: str) -> list[tuple[Offer, dict[str, Any]]]:
    """The components of one axis, each with its settings as yet unvalidated."""
    entries = merged.get(axis)
    if entries == [] and axis == "data":
        raise UsageError("a run needs data", where="data", fix="--data FILE")
    if entries == []:
        return []
    if entries is None or all(not entry.get("name") and "" not in entry for entry in entries):
        # Nothing was named: what built-ins mark as default, with any settings that were given for it.
        extra = entries[0] if entries else {}
        return [(offer, dict(extra)) for offer in defaults(manager, axis)]
    chosen = []
    for entry in entries:
        settings = {key: value for key, value in entry.items() if key not in ("name", "")}
        if entry.get("name"):
            chosen.append((manager.find(axis, str(entry["name"])), settings))
        elif "" in entry:
            offer, argument = refer(manager, axis, entry[""])
            chosen.append((offer, {**argument, **settings}))
        else:
            chosen += [(offer, settings) for offer in defaults(manager, axis)]
    return chosen


def _shared(manager: PluginManager, merged: Mapping[str, Any], axis: str) -> list[tuple[Offer, dict[str, Any]]]:
    """The components of an axis with several, each with those of the axis' flags that it has a setting for."""
    flags: dict[str, Any] = merged.get(f"{axis}.*", {})
    core = set(DataSettings.model_fields) if axis == "data" else set()
    chosen = choose(manager, merged, axis)
    known = [core | set(offer.spec.config.load().model_fields if offer.spec.config else ()) for offer, _ in chosen]
    for key in flags:
        if not any(key in names for names in known):
            every = sorted(set().union(*known))
            raise UsageError(f"there is no setting {axis}.{key}{did_you_mean(key, every)}", where=f"--{axis}.{key}")
    return [
        (offer, {**settings, **{key: value for key, value in flags.items() if key in names}})
        for (offer, settings), names in zip(chosen, known, strict=True)
    ]


def defaults(manager: PluginManager, axis: str) -> list[Offer]:
    """What is taken when the user names nothing."""
    offers = [offer for offers in manager.catalogue(axis).values() for offer in offers]
    return [offer for offer in offers if offer.spec.default and offer.plugin.is_built_in]


def refer(manager: PluginManager, axis: str, reference: Any) -> tuple[Offer, dict[str, Any]]:
    """What a bare word or path means: a component's name, `NAME:REST`, or what a component claims as its own."""
    text = str(reference)
    catalogue = manager.catalogue(axis)
    name, colon, rest = text.partition(":")
    # `./demo` is a path, and `acme/demo` a model on the hub, unless a plugin called acme offers `demo`.
    owner, _, last = text.rpartition("/")
    owners = {name for offer in catalogue.get(last, ()) for name in (offer.plugin.distribution, offer.plugin.name)}
    is_qualified = owner in owners and not Path(text).exists()
    if text in catalogue or is_qualified:
        return manager.find(axis, text), {}
    if colon and name in catalogue:
        offer = manager.find(axis, name)
        argument = getattr(offer.spec, "argument", None)
        if argument is None:
            raise UsageError(f"the {KINDS[axis].title} {name!r} takes nothing behind the colon", value=text)
        return offer, {argument: rest}
    for offers in catalogue.values():
        for offer in offers:
            claims = getattr(offer.spec, "claims", None)
            if claims is not None and offer.plugin.state == "active" and claims.load()(text):
                return offer, {offer.spec.argument: text}  # type: ignore[attr-defined]
    return manager.find(axis, text), {}


def resolve(manager: PluginManager, run_file: RunFile, flags: Mapping[str, Any]) -> Plan:
    """Everything decided. Raises UsageError, PluginError or ResourceError."""
    merged = merge(run_file, flags)

    def where(key: str) -> str | None:
        if any(flag == key or flag == key.replace(".0.", ".") for flag in flags):
            return f"--{key.replace('.0.', '.')}"
        axis, _, rest = key.partition(".")  # an entry that stands alone needs no number in a message
        return run_file.places.get(key) or run_file.places.get(f"{axis}.0.{rest}")

    def one(axis: str) -> Choice[Any]:
        [(offer, settings)] = choose(manager, merged, axis)
        return _validated(axis, offer, settings, where)

    def several(axis: str) -> tuple[Choice[Any], ...]:
        return tuple(
            _validated(axis, offer, settings, where, f"{axis}.{index}" if index else axis)
            for index, (offer, settings) in enumerate(_shared(manager, merged, axis))
        )

    model, method, strategy = one("model"), one("method"), one("strategy")
    data = tuple(
        _data_choice(index, offer, settings, where)
        for index, (offer, settings) in enumerate(_shared(manager, merged, "data"))
    )
    backend, hardware = _backend(manager, merged, where)
    sections = {name: _section(name, merged, where) for name in SECTIONS}
    suggestions: dict[str, Any] = {}
    for component in (method.spec, model.spec, *(entry.source.spec for entry in data)):
        suggestions |= component.defaults
    sections["train"] = _with_suggestions(sections["train"], suggestions, strategy.spec.learning_rate_scale)
    out = merged.get("out")
    if out is not None and not isinstance(out, str):
        raise UsageError("out is the name of a folder", where=where("out"), value=out, fix="--out runs/mine")
    return Plan(
        model=model,
        data=data,
        method=method,
        strategy=strategy,
        backend=backend,
        evaluators=several("evaluators"),
        exporter=one("exporter"),
        reporters=several("reporters"),
        train=sections["train"],
        evaluate=sections["evaluate"],
        checkpoints=sections["checkpoints"],
        out=Path(out) if out else None,
        hardware=hardware,
        precision=backend.build().precision(method.spec.trains_base),
    )


def resolve_run(manager: PluginManager, folder: Path) -> Plan:
    """The plan of an earlier run. Raises PluginError naming a plugin that it used and that is not here any more."""
    lock = folder / "lock.json"
    used = read_json(lock)["plugins"] if lock.is_file() else []
    active = {plugin.key for plugin in manager.plugins if plugin.state == "active"}
    for plugin in used:
        if plugin["key"] not in active:
            is_file = plugin["distribution"] == "file"
            raise PluginError(
                f"the run used the plugin {plugin['key']}, which is not loaded here",
                where=str(folder),
                value=f"version {plugin['version']}",
                fix=f"ftcore … {folder} --plugin {plugin['key'].partition(':')[2]}.py"
                if is_file
                else f"pip install {plugin['distribution']}=={plugin['version']}",
            )
    return resolve(manager, read_run_file(folder / "run.yaml"), {})


def _validated(axis: str, offer: Offer, settings: dict[str, Any], where: Any, prefix: str | None = None) -> Choice[Any]:
    spec = offer.spec
    if spec.config is None:
        if settings:
            raise UsageError(
                f"the {KINDS[axis].title} {spec.name!r} has no settings",
                where=where(f"{axis}.{next(iter(settings))}"),
                value=", ".join(settings),
                fix=f"ftcore explain {spec.name}",
            )
        return Choice(axis, spec, None, offer.plugin)
    model: type[Settings] = spec.config.load()
    checked = _checked(model, settings, prefix or axis, where, f"ftcore explain {spec.name}")
    return Choice(axis, spec, checked, offer.plugin)


def _checked(model: type[Settings], values: dict[str, Any], prefix: str, where: Any, more: str) -> Settings:
    """`validate`, with the command that shows the settings as the fix where there is no better one."""
    try:
        return validate(model, values, prefix, where)
    except UsageError as error:
        error.fix = error.fix or more
        raise


def _data_choice(index: int, offer: Offer, settings: dict[str, Any], where: Any) -> DataChoice:
    ours, theirs = split_data_entry(settings)
    prefix = f"data.{index}" if index else "data"
    config = offer.spec.config.load().model_fields if offer.spec.config else ()
    known = [*config, *DataSettings.model_fields]
    for key in theirs.keys() - {*config}:
        near = closest(key, known)
        raise UsageError(
            f"there is no setting {f'{prefix}.{key}'!r}{did_you_mean(key, known)}",
            where=where(f"{prefix}.{key}"),
            value=theirs[key],
            fix=f"{near}: {theirs[key]}" if near else f"ftcore explain {offer.spec.name}",
            more=[] if near else [f"settings here: {', '.join(known)}"],
        )
    source = _validated("data", offer, theirs, where, prefix)
    checked = _checked(DataSettings, ours, prefix, where, "ftcore run --help")
    assert isinstance(checked, DataSettings)
    return DataChoice(source, checked)


def _section(name: str, merged: Mapping[str, Any], where: Any) -> Any:
    values = merged.get(name) or {}
    if not isinstance(values, Mapping):
        raise UsageError(f"{name} is a group of settings", where=where(name), value=values, fix="ftcore schema")
    return _checked(SECTIONS[name], dict(values), name, where, "ftcore run --help")


def _with_suggestions(train: Any, suggestions: Mapping[str, Any], scale: float) -> Any:
    """Fill what the user left out with what suits the method, the model and the data, in rising order of say."""
    unset = {key: value for key, value in suggestions.items() if key not in train.model_fields_set}
    if "learning_rate" in unset:
        unset["learning_rate"] *= scale
    return type(train).model_validate({**train.model_dump(exclude_unset=True), **unset})


def _backend(manager: PluginManager, merged: Mapping[str, Any], where: Any) -> tuple[Choice[Any], Hardware]:
    entries = [dict(entry) for entry in merged.get("backend", [{}])]
    settings = {key: value for key, value in entries[0].items() if key not in ("name", "")}
    name = entries[0].get("name") or entries[0].get("") or "auto"
    if name != "auto":
        offer = manager.find("backend", str(name))
        choice = _validated("backend", offer, settings, where)
        hardware = choice.build().probe()
        if not hardware.available:
            raise ResourceError(f"the backend {name!r} is not usable here: {hardware.reason}", fix="--backend auto")
        return choice, hardware
    probed = {}
    for offers in manager.catalogue("backend").values():
        offer = offers[0]
        config = offer.spec.config.load()() if offer.spec.config else None
        hardware = Choice("backend", offer.spec, config, offer.plugin).build().probe()
        if hardware.available:
            probed[offer.spec.name] = (offer, hardware)
    if not probed:
        raise ResourceError("no hardware backend is usable here", fix="ftcore doctor")
    decided = manager.first("ftcore_select_backend", available={name: found for name, (_, found) in probed.items()})
    best = decided or max(probed, key=lambda name: getattr(probed[name][0].spec, "priority", 0))
    if best not in probed:
        raise ResourceError(f"a plugin chose the backend {best!r}, which is not usable here", fix="--backend cpu")
    offer, hardware = probed[best]
    return _validated("backend", offer, settings, where), hardware


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Those of the import names that are not installed, found without importing them."""
    return [package for package in packages if importlib.util.find_spec(package) is None]
