"""Which components a run file and flags name: a name, a path, or nothing at all, which means the defaults.

Settings pass through unread; `ftcore.run.resolve` judges them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.config import ENTRIES, SECTIONS
from ftcore.errors import UsageError, closest, did_you_mean
from ftcore.manager import Offer, PluginManager
from ftcore.run.runfile import RunFile, in_one_line
from ftcore.specs import KINDS
from ftcore.unknown import with_setting

AXES = ("model", "data", "method", "strategy", "backend", "rewards", "evaluators", "exporter", "reporters")
LISTS = ("data", "rewards", "evaluators", "reporters")
"""Axes of which a run may have several."""

KEYS = (*AXES, *SECTIONS, "out", "plugins")

KNOWN_AS = {
    **dict.fromkeys(("model_name_or_path", "base_model", "model_name", "model_id"), "model"),
    **dict.fromkeys(("dataset", "datasets", "dataset_name", "train_file"), "data"),
    **dict.fromkeys(("finetuning_type", "adapter"), "method"),
    **dict.fromkeys(("stage", "rl"), "strategy"),
    **dict.fromkeys(("reward_funcs", "reward_model"), "rewards"),
    **dict.fromkeys(("output_dir", "save_dir"), "out"),
    "report_to": "reporters",
}
"""What other frameworks call those keys."""


def merge(manager: PluginManager, run_file: RunFile, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Lay flags over a run file. A flag that names a component replaces it; dotted flags reach into it.

    `flags` are dotted: `{"method": "mine", "method.rank": "8", "data": ["a.jsonl"]}`. A dotted flag under an axis of
    which there may be several is kept under `axis.*`, for each of them that has such a setting.
    """
    if unknown := [_unknown_key(manager, run_file, str(key)) for key in run_file.values if key not in KEYS]:
        first, *rest = unknown
        first.more = (*first.more, *(f"{error.where}: {error.what}: {error.fix}" for error in rest))
        raise first
    for axis in run_file.values.keys() & set(AXES):
        _must_be_named(manager, run_file, axis)
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


def _unknown_key(manager: PluginManager, run_file: RunFile, key: str) -> UsageError:
    """The error for a key of a run file that there is not: often a setting that stands one level too high."""
    from ftcore.settings import called

    what, value, where = f"there is no key {key!r}", run_file.values.get(key), run_file.places.get(key)
    for command in (command for commands in manager.commands().values() for command in commands):
        if key in command.spec.keys:
            line = f"ftcore {command.spec.name}"
            return UsageError(
                f"this is a file for `{line}`, not a run file", where=where, fix=f"{line} {run_file.path}"
            )
    if axis := KNOWN_AS.get(key):
        return UsageError(f"{what}; here it is {axis!r}", where=where, fix=in_one_line({axis: value})[1:-1])
    for name, section in SECTIONS.items():
        if setting := called(key, value, section.model_fields):
            fix = f"{name}: {in_one_line(dict([setting]))}"
            return UsageError(f"{what}; it is a setting of {name}", where=where, fix=fix)
    for axis in KINDS:
        owners = {name: (setting, said) for name, setting, said in with_setting(manager, axis, key, value)}
        if owners:
            named = run_file.values.get(axis)
            named = named.get("name") if isinstance(named, Mapping) else named
            owner = named if isinstance(named, str) and named in owners else next(iter(owners))
            return UsageError(
                f"{what}; it is a setting of the {KINDS[axis].title} {owner!r}",
                where=where,
                fix=f"{axis}: {in_one_line({'name': owner, **dict([owners[owner]])})}",
            )
    near = closest(key, KEYS)
    return UsageError(
        f"{what}{did_you_mean(key, KEYS)}",
        where=where,
        fix=f"{near}: …" if near else "ftcore schema",
        more=[] if near else [f"keys: {', '.join(KEYS)}"],
    )


def _must_be_named(manager: PluginManager, run_file: RunFile, axis: str) -> None:
    """Raise UsageError for `method: {lora: {rank: 8}}`, in which the name stands as a key."""
    from ftcore.settings import shown

    written = run_file.values[axis]
    for entry in written if isinstance(written, list) else [written]:
        for name, settings in entry.items() if isinstance(entry, Mapping) and "name" not in entry else ():
            if isinstance(settings, Mapping) and name in manager.catalogue(axis):
                said = {key: shown(str(key), value) for key, value in settings.items()}
                raise UsageError(
                    f"the {KINDS[axis].title} {name!r} stands as a key; its settings stand beside its name",
                    where=run_file.places[axis],
                    value=in_one_line({name: said}),
                    fix=f"{axis}: {in_one_line({'name': name, **said})}",
                )


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
        return _unnamed(manager, axis, extra)
    chosen = []
    for entry in entries:
        settings = {key: value for key, value in entry.items() if key not in ("name", "")}
        if entry.get("name"):
            chosen.append((manager.find(axis, str(entry["name"])), settings))
        elif "" in entry:
            offer, argument = refer(manager, axis, entry[""])
            chosen.append((offer, {**argument, **settings}))
        else:
            chosen += _unnamed(manager, axis, settings)
    return chosen


def _unnamed(manager: PluginManager, axis: str, settings: dict[str, Any]) -> list[tuple[Offer, dict[str, Any]]]:
    """What an entry without a name stands for: the defaults, where the axis has any."""
    usual = defaults(manager, axis)
    if settings and not usual and axis in LISTS:
        what = f"an entry under {axis} names no {KINDS[axis].title}"
        raise UsageError(what, where=axis, value=settings, fix=f"ftcore list {KINDS[axis].plural}")
    return [(offer, dict(settings)) for offer in usual]


def choose_with_flags(
    manager: PluginManager, merged: Mapping[str, Any], axis: str
) -> list[tuple[Offer, dict[str, Any]]]:
    """The components of an axis with several, each with those of the axis' flags that it has a setting for."""
    flags: dict[str, Any] = merged.get(f"{axis}.*", {})
    core = set(ENTRIES[axis].model_fields) if axis in ENTRIES else set()
    chosen = choose(manager, merged, axis)
    known = [core | set(offer.fields()) for offer, _ in chosen]
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
    claimant = _claimant(manager, axis, text)
    return (claimant, {claimant.spec.argument: text}) if claimant else (manager.find(axis, text), {})  # type: ignore[attr-defined]


def _claimant(manager: PluginManager, axis: str, text: str) -> Offer | None:
    """The component that claims a text the most: the first that is sure of it (1), or else the surest."""
    surest, best = 0.0, None
    for offer in manager.usable(axis):
        claims = getattr(offer.spec, "claims", None)
        if claims is not None:
            with manager.sparing(offer.plugin):
                said = claims.load()(text)
                sure = said if isinstance(said, float) else float(bool(said))
                if sure > surest:
                    surest, best = sure, offer
        if surest >= 1:
            break
    return best
