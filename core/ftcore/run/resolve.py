"""Run file + flags → Plan: validate the settings of the chosen components, fill in what was left out.

Nothing heavy is imported, nothing is read but what backends can tell about the machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftcore.config import ENTRIES, SECTIONS, split_entry
from ftcore.errors import ResourceError, UsageError
from ftcore.loading.plugin import typed
from ftcore.manager import Offer, PluginManager
from ftcore.run.choose import choose, choose_with_flags, merge
from ftcore.run.plan import Choice, DataChoice, Plan, RewardChoice
from ftcore.run.provenance import must_be_here
from ftcore.run.runfile import RunFile, in_one_line, read_run_file
from ftcore.run.suggested import filled
from ftcore.settings import Settings, meant, shown, validate
from ftcore.specs import KINDS
from ftcore.types import Hardware
from ftcore.unknown import with_setting


def resolve(manager: PluginManager, run_file: RunFile, flags: Mapping[str, Any]) -> Plan:
    """Everything decided. Raises UsageError, PluginError or ResourceError."""
    said = _Said(manager, run_file, flags)
    model, method, strategy = said.one("model"), said.one("method"), said.one("strategy")
    data = tuple(DataChoice(*entry) for entry in said.entries("data"))
    backend, hardware = said.backend()
    sections = {name: said.section(name) for name in SECTIONS}
    train, origins = filled(sections["train"], [method, model, *(entry.source for entry in data)], strategy)
    plan = Plan(
        model=model,
        data=data,
        method=method,
        strategy=strategy,
        backend=backend,
        out=said.out(),
        rewards=tuple(RewardChoice(*entry) for entry in said.entries("rewards")),
        evaluators=said.several("evaluators"),
        exporter=said.one("exporter"),
        reporters=said.several("reporters"),
        plugins=said.merged.get("plugins") or {},
        train=train,
        evaluate=sections["evaluate"],
        checkpoints=sections["checkpoints"],
        hardware=hardware,
        precision=backend.build().precision(method.spec.trains_base),
        origins=origins,
    )
    return dataclasses.replace(plan, named_by_file=_named_by_file(plan, run_file, flags))


def _named_by_file(plan: Plan, run_file: RunFile, flags: Mapping[str, Any]) -> dict[str, str]:
    """Where a variable or its address stands in a file, whoever wrote that decides who gets the value."""
    if run_file.path is None:
        return {}
    written, typed = set(_texts(run_file.values)), set(_texts(flags))
    return {
        secret.variable: str(run_file.path)
        for secret in plan.secrets()
        if written & {secret.variable, secret.url} and secret.variable not in typed
    }


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def resolve_run(manager: PluginManager, folder: Path) -> Plan:
    """The plan of an earlier run. Raises PluginError naming a plugin that it used and that is not here any more."""
    must_be_here(folder, manager)
    return resolve(manager, read_run_file(folder / "run.yaml"), {})


class _Said:
    """What a run file and a line say together, read part by part. Raises UsageError with the place of what is wrong."""

    def __init__(self, manager: PluginManager, run_file: RunFile, flags: Mapping[str, Any]) -> None:
        self.merged = merge(manager, run_file, flags)
        self._manager, self._places, self._flags = manager, run_file.places, flags

    def one(self, axis: str) -> Choice[Any]:
        chosen = choose(self._manager, self.merged, axis)
        if len(chosen) != 1:
            names = sorted(self._manager.catalogue(axis))
            raise UsageError(
                f"no {KINDS[axis].title} is chosen, and the usual one is left out",
                fix=f"--{axis} {names[0]}" if names else "ftcore plugins list",
            )
        return self._choice(axis, *chosen[0])

    def several(self, axis: str) -> tuple[Choice[Any], ...]:
        return tuple(self._choice(axis, offer, settings, prefix) for prefix, offer, settings in self._numbered(axis))

    def entries(self, axis: str) -> Iterator[tuple[Choice[Any], Any]]:
        """Components with their settings, and those that the core itself reads of their entries."""
        for prefix, offer, settings in self._numbered(axis):
            ours, theirs = split_entry(axis, settings)
            self._must_have(axis, prefix, offer, theirs)
            component = self._choice(axis, offer, theirs, prefix)
            yield component, self._checked(ENTRIES[axis], ours, prefix, "ftcore run --help")

    def section(self, name: str) -> Any:
        values = self.merged.get(name) or {}
        if not isinstance(values, Mapping):
            raise UsageError(
                f"{name} is a group of settings", where=self._where(name), value=values, fix="ftcore schema"
            )
        return self._checked(SECTIONS[name], dict(values), name, "ftcore run --help")

    def out(self) -> Path | None:
        out = self.merged.get("out")
        if out is not None and not isinstance(out, str):
            what = "out is the name of a folder"
            raise UsageError(what, where=self._where("out"), value=out, fix="--out runs/mine")
        return Path(out) if out else None

    def backend(self) -> tuple[Choice[Any], Hardware]:
        """The one that is named, or of those that are usable here the one that a plugin chooses, or else the first."""
        entries = [dict(entry) for entry in self.merged.get("backend", [{}])]
        settings = {key: value for key, value in entries[0].items() if key not in ("name", "")}
        name = entries[0].get("name") or entries[0].get("") or "auto"
        if name == "auto":
            offer, hardware = _best_backend(self._manager)
            return self._choice("backend", offer, settings), hardware
        choice = self._choice("backend", self._manager.find("backend", str(name)), settings)
        hardware = choice.build().probe()
        if not hardware.available:
            raise ResourceError(f"the backend {name!r} is not usable here: {hardware.reason}", fix="--backend auto")
        return choice, hardware

    # The parts --------------------------------------------------------------------------------------------------------

    def _where(self, key: str) -> str | None:
        if any(flag == key or flag == key.replace(".0.", ".") for flag in self._flags):
            return f"--{key.replace('.0.', '.')}"
        axis, _, rest = key.partition(".")  # an entry that stands alone needs no number in a message
        return self._places.get(key) or self._places.get(f"{axis}.0.{rest}")

    def _numbered(self, axis: str) -> Iterator[tuple[str, Offer, dict[str, Any]]]:
        for index, (offer, settings) in enumerate(choose_with_flags(self._manager, self.merged, axis)):
            yield f"{axis}.{index}" if index else axis, offer, settings

    def _choice(self, axis: str, offer: Offer, settings: dict[str, Any], prefix: str | None = None) -> Choice[Any]:
        spec, model, prefix = offer.spec, offer.settings(), prefix or axis
        more = f"ftcore explain {spec.name}"
        if model is None and settings:
            raise UsageError(
                f"the {KINDS[axis].title} {spec.name!r} has no settings",
                where=self._where(f"{prefix}.{next(iter(settings))}"),
                value=", ".join(settings),
                fix=more,
            )
        for key in settings.keys() - offer.fields().keys():
            if owners := with_setting(self._manager, axis, key):
                more = f"name: {owners[0][0]}, which has {owners[0][1]}"
        checked = self._checked(model, settings, prefix, more) if model else None
        return Choice(axis, spec, checked, offer.plugin, typed(self._manager.catalogue(axis), offer))

    def _checked(self, model: type[Settings], values: dict[str, Any], prefix: str, more: str) -> Settings:
        """`validate`, with the command that shows the settings as the fix where there is no better one."""
        try:
            return validate(model, values, prefix, self._where)
        except UsageError as error:
            error.fix = error.fix or more
            raise

    def _must_have(self, axis: str, prefix: str, offer: Offer, settings: Mapping[str, Any]) -> None:
        """Raise UsageError for a setting that neither the component nor the core has, and say who has it."""
        config = offer.fields()
        known = {**config, **ENTRIES[axis].model_fields}
        for key in settings.keys() - {*config}:
            near = meant(key, settings[key], known)
            owner = next(iter(with_setting(self._manager, axis, key)), None)
            elsewhere = f"name: {owner[0]}" if owner else f"ftcore explain {offer.spec.name}"
            what = f"the {KINDS[axis].title.split()[-1]} {offer.spec.name!r} has no setting"
            raise UsageError(
                f"{what} {f'{prefix}.{key}'!r}" + (f" (did you mean {near[0]!r}?)" if near else ""),
                where=self._where(f"{prefix}.{key}"),
                value=shown(key, settings[key]),
                fix=f"{in_one_line(dict([near]))[1:-1]}  # in its place" if near else elsewhere,
                more=[] if near else [f"settings here: {', '.join(known)}"],
            )


def _best_backend(manager: PluginManager) -> tuple[Offer, Hardware]:
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
    return probed[best]
