"""A pipeline's file: the keys of a run file, which all stages share, and `stages`, each with keys of its own over them.

It decides nothing about a stage but which earlier one it builds on; what a stage says is judged where it is planned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ftcore.config import SECTIONS
from ftcore.errors import UsageError, closest, did_you_mean
from ftcore.run.choose import AXES, KEYS, LISTS
from ftcore.run.runfile import RunFile, parse_run_file, read_run_file

FILE = "pipeline.yaml"
EXAMPLE = "stages: {sft: {data: a.jsonl}, reward: {data: b.jsonl}}"
OWN = (*AXES, *SECTIONS)
"""What a stage may say itself. Where it goes, and which plugins there are, is the whole pipeline's."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One training: its run file, without what follows from the stages before it."""

    name: str
    run_file: RunFile
    own: Mapping[str, str]
    """The places of the dotted keys that it says itself; the others are what all stages share."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """
    >>> [stage.name for stage in read(None).stages]
    ['sft', 'reward', 'ppo']
    """

    run_file: RunFile
    stages: tuple[Stage, ...]

    @property
    def out(self) -> str | None:
        return self.run_file.values.get("out")


def read(path: Path | None, shared: Mapping[str, Any] | None = None) -> Pipeline:
    """The pipeline of a file, or the demo's; `shared` goes over what it says for all stages. Raises UsageError."""
    if path is None:
        text = (files("ftcore_plugins.rlhf") / "demo.yaml").read_text(encoding="utf-8")
        run_file = parse_run_file(text, Path("the demo's pipeline"))
    elif path.exists():
        run_file = read_run_file(path)
    else:
        files_here = [file.name for file in path.parent.glob("*.y*ml")]
        near = closest(path.name, files_here)
        fix = f"ftcore rlhf {path.with_name(near)}" if near else f"write one: {EXAMPLE}"
        raise UsageError(f"there is no such file{did_you_mean(path.name, files_here)}", where=str(path), fix=fix)
    _must_know(run_file)
    values = laid_over(run_file.values, shared or {})
    return Pipeline(run_file, tuple(_stages(RunFile(run_file.path, values, run_file.places))))


def laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One group of keys over another. Settings of the same component or section are put together; all else is replaced.

    >>> laid_over({"method": {"name": "lora", "rank": 8}}, {"method": {"rank": 16}})
    {'method': {'name': 'lora', 'rank': 16}}
    """
    both = dict(under)
    for key, value in over.items():
        old = both.get(key)
        if isinstance(old, str) and key in AXES and key not in LISTS:
            old = {"name": old}
        is_same = isinstance(old, Mapping) and isinstance(value, Mapping)
        is_same = is_same and value.get("name", old.get("name")) == old.get("name")
        both[key] = {**old, **value} if is_same else value
    return both


def reference(text: Any, key: str, earlier: Sequence[str], stage: Stage, names: Sequence[str]) -> str | None:
    """The earlier stage that is named, if one is. Raises UsageError for one that is not there yet."""
    if text in earlier:
        return str(text)
    if text in names:
        raise UsageError(
            f"the stage {text!r} does not come before {stage.name!r}",
            where=stage.run_file.places.get(key),
            fix=f"put {text} before {stage.name}" if text != stage.name else f"a model, in the place of {text}",
        )
    return None


def _must_know(run_file: RunFile) -> None:
    known = (*KEYS, "stages")
    for key in run_file.values:
        if key not in known:
            near = closest(str(key), known)
            raise UsageError(
                f"there is no key {key!r}{did_you_mean(str(key), known)}",
                where=run_file.places.get(str(key)),
                fix=f"{near}: …" if near else "ftcore rlhf --help",
            )
    if "stages" not in run_file.values:
        fix = f"ftcore run {run_file.path}" if run_file.path else None
        raise UsageError("a pipeline has stages, and this file names none", where=str(run_file.path), fix=fix)


def _stages(run_file: RunFile) -> Iterator[Stage]:
    given = run_file.values["stages"]
    entries = dict.fromkeys(given) if isinstance(given, list) and all(isinstance(n, str) for n in given) else given
    if not isinstance(entries, Mapping) or not entries:
        raise UsageError("stages are names, each with its keys", where=run_file.places.get("stages"), fix=EXAMPLE)
    shared = {key: value for key, value in run_file.values.items() if key in (*OWN, "plugins")}
    for name, own in entries.items():
        yield _stage(str(name), own or {}, shared, run_file.places, run_file.path)


def _stage(name: str, own: Any, shared: Mapping[str, Any], places: Mapping[str, str], path: Path | None) -> Stage:
    place = places.get(f"stages.{name}")
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UsageError(
            "the name of a stage is also that of its folder", where=place, value=name, fix="stages: {sft: …}"
        )
    if not isinstance(own, Mapping):
        raise UsageError(f"the stage {name!r} is a group of keys", where=place, value=own, fix=f"{name}: {{data: …}}")
    for key in own:
        if key not in OWN:
            near = closest(str(key), OWN)
            what = "is the whole pipeline's" if key in KEYS else f"is no key{did_you_mean(str(key), OWN)}"
            fix = f"{key} outside of stages" if key in KEYS else f"{near}: …" if near else "ftcore rlhf --help"
            raise UsageError(f"{key!r} {what}", where=places.get(f"stages.{name}.{key}"), fix=fix)
    prefix = f"stages.{name}."
    its = {key.removeprefix(prefix): at for key, at in places.items() if key.startswith(prefix)}
    others = {key: at for key, at in places.items() if not key.startswith("stages.")}
    values = laid_over(laid_over({"strategy": name}, shared), own)
    return Stage(name, RunFile(path, values, {**others, "": place or str(path), **its}), its)
