"""Run file + flags → Plan: validate the settings of the chosen components, fill in what was left out.

Nothing heavy is imported, nothing is read but what backends can tell about the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftcore.config import ENTRIES, SECTIONS, split_entry
from ftcore.errors import ResourceError, UsageError, closest, did_you_mean
from ftcore.loading.plugin import typed
from ftcore.manager import Offer, PluginManager
from ftcore.run.choose import choose, choose_with_flags, merge
from ftcore.run.plan import Choice, DataChoice, Plan, RewardChoice
from ftcore.run.provenance import must_be_here
from ftcore.run.runfile import RunFile, read_run_file
from ftcore.run.suggested import filled
from ftcore.settings import Settings, shown, validate
from ftcore.specs import KINDS
from ftcore.types import Hardware
from ftcore.unknown import with_setting


def resolve(manager: PluginManager, run_file: RunFile, flags: Mapping[str, Any]) -> Plan:
    """Everything decided. Raises UsageError, PluginError or ResourceError."""
    merged = merge(manager, run_file, flags)

    def where(key: str) -> str | None:
        if any(flag == key or flag == key.replace(".0.", ".") for flag in flags):
            return f"--{key.replace('.0.', '.')}"
        axis, _, rest = key.partition(".")  # an entry that stands alone needs no number in a message
        return run_file.places.get(key) or run_file.places.get(f"{axis}.0.{rest}")

    def one(axis: str) -> Choice[Any]:
        chosen = choose(manager, merged, axis)
        if len(chosen) != 1:
            names = sorted(manager.catalogue(axis))
            raise UsageError(
                f"no {KINDS[axis].title} is chosen, and the usual one is left out",
                fix=f"--{axis} {names[0]}" if names else "ftcore plugins list",
            )
        offer, settings = chosen[0]
        return _validated(manager, axis, offer, settings, where)

    def several(axis: str) -> tuple[Choice[Any], ...]:
        return tuple(
            _validated(manager, axis, offer, settings, where, f"{axis}.{index}" if index else axis)
            for index, (offer, settings) in enumerate(choose_with_flags(manager, merged, axis))
        )

    def entries(axis: str) -> Iterator[tuple[Choice[Any], Any]]:
        for index, (offer, settings) in enumerate(choose_with_flags(manager, merged, axis)):
            yield _entry(manager, axis, index, offer, settings, where)

    model, method, strategy = one("model"), one("method"), one("strategy")
    data = tuple(DataChoice(*entry) for entry in entries("data"))
    backend, hardware = _backend(manager, merged, where)
    sections = {name: _section(name, merged, where) for name in SECTIONS}
    train, origins = filled(sections["train"], [method, model, *(entry.source for entry in data)], strategy)
    out = merged.get("out")
    if out is not None and not isinstance(out, str):
        raise UsageError("out is the name of a folder", where=where("out"), value=out, fix="--out runs/mine")
    return Plan(
        model=model,
        data=data,
        method=method,
        strategy=strategy,
        backend=backend,
        rewards=tuple(RewardChoice(*entry) for entry in entries("rewards")),
        evaluators=several("evaluators"),
        exporter=one("exporter"),
        reporters=several("reporters"),
        plugins=merged.get("plugins") or {},
        train=train,
        evaluate=sections["evaluate"],
        checkpoints=sections["checkpoints"],
        out=Path(out) if out else None,
        hardware=hardware,
        precision=backend.build().precision(method.spec.trains_base),
        origins=origins,
    )


def resolve_run(manager: PluginManager, folder: Path) -> Plan:
    """The plan of an earlier run. Raises PluginError naming a plugin that it used and that is not here any more."""
    must_be_here(folder, manager)
    return resolve(manager, read_run_file(folder / "run.yaml"), {})


def _validated(
    manager: PluginManager, axis: str, offer: Offer, settings: dict[str, Any], where: Any, prefix: str | None = None
) -> Choice[Any]:
    spec, model = offer.spec, offer.settings()
    more = f"ftcore explain {spec.name}"
    if model is None and settings:
        raise UsageError(
            f"the {KINDS[axis].title} {spec.name!r} has no settings",
            where=where(f"{axis}.{next(iter(settings))}"),
            value=", ".join(settings),
            fix=more,
        )
    checked = _checked(model, settings, prefix or axis, where, more) if model else None
    return Choice(axis, spec, checked, offer.plugin, typed(manager.catalogue(axis), offer))


def _checked(model: type[Settings], values: dict[str, Any], prefix: str, where: Any, more: str) -> Settings:
    """`validate`, with the command that shows the settings as the fix where there is no better one."""
    try:
        return validate(model, values, prefix, where)
    except UsageError as error:
        error.fix = error.fix or more
        raise


def _entry(
    manager: PluginManager, axis: str, index: int, offer: Offer, settings: dict[str, Any], where: Any
) -> tuple[Choice[Any], Settings]:
    """A component with its settings, and those that the core itself reads of its entry."""
    ours, theirs = split_entry(axis, settings)
    prefix = f"{axis}.{index}" if index else axis
    config = offer.fields()
    known = [*config, *ENTRIES[axis].model_fields]
    for key in theirs.keys() - {*config}:
        near = closest(key, known)
        owner = next(iter(with_setting(manager, axis, key)), None)
        elsewhere = f"name: {owner}" if owner else f"ftcore explain {offer.spec.name}"
        what = f"the {KINDS[axis].title.split()[-1]} {offer.spec.name!r} has no setting"
        raise UsageError(
            f"{what} {f'{prefix}.{key}'!r}{did_you_mean(key, known)}",
            where=where(f"{prefix}.{key}"),
            value=shown(key, theirs[key]),
            fix=f"{near}: {shown(key, theirs[key])}" if near else elsewhere,
            more=[] if near else [f"settings here: {', '.join(known)}"],
        )
    component = _validated(manager, axis, offer, theirs, where, prefix)
    return component, _checked(ENTRIES[axis], ours, prefix, where, "ftcore run --help")


def _section(name: str, merged: Mapping[str, Any], where: Any) -> Any:
    values = merged.get(name) or {}
    if not isinstance(values, Mapping):
        raise UsageError(f"{name} is a group of settings", where=where(name), value=values, fix="ftcore schema")
    return _checked(SECTIONS[name], dict(values), name, where, "ftcore run --help")


def _backend(manager: PluginManager, merged: Mapping[str, Any], where: Any) -> tuple[Choice[Any], Hardware]:
    entries = [dict(entry) for entry in merged.get("backend", [{}])]
    settings = {key: value for key, value in entries[0].items() if key not in ("name", "")}
    name = entries[0].get("name") or entries[0].get("") or "auto"
    if name != "auto":
        offer = manager.find("backend", str(name))
        choice = _validated(manager, "backend", offer, settings, where)
        hardware = choice.build().probe()
        if not hardware.available:
            raise ResourceError(f"the backend {name!r} is not usable here: {hardware.reason}", fix="--backend auto")
        return choice, hardware
    probed: dict[str, tuple[Offer, Hardware]] = {}
    for offer in manager.usable("backend"):
        with manager.sparing(offer.plugin):
            hardware = Choice.of("backend", offer).build().probe()
            if hardware.available:
                probed.setdefault(offer.spec.name, (offer, hardware))
    if not probed:
        raise ResourceError("no hardware backend is usable here", fix="ftcore doctor")
    decided = manager.first("ftcore_select_backend", available={name: found for name, (_, found) in probed.items()})
    best = decided or max(probed, key=lambda name: getattr(probed[name][0].spec, "priority", 0))
    if best not in probed:
        raise ResourceError(f"a plugin chose the backend {best!r}, which is not usable here", fix="--backend cpu")
    offer, hardware = probed[best]
    return _validated(manager, "backend", offer, settings, where), hardware
