"""Which distributions bring plugins, read off their metadata without importing any.

It does what `importlib.metadata.entry_points` does, by hand: importing that module costs 16 ms (it brings a parser of
e-mail) and each distribution 0.2 ms more, together half of what `ftcore --help` takes. Here a hundred cost 5 ms.
Distributions inside zip files are not found.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ftcore
from ftcore.loading import hung
from ftcore.loading.plugin import Plugin, canonical

GROUP = "ftcore"
FILES = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry point. `module` is its value as written; `needs` are the distribution's requirements of ftcore."""

    distribution: str
    version: str
    entry: str
    module: str
    needs: tuple[str, ...]
    info: Path


def installed(folders: Iterable[str] | None = None) -> Iterator[Installed]:
    """Every entry point of the group `ftcore`. Of two distributions with one name, the first on the path counts."""
    seen: set[str] = set()
    for folder in dict.fromkeys(sys.path if folders is None else folders):
        for name in _metadata_folders(folder or "."):
            distribution = canonical(name.partition("-")[0].removesuffix(".egg-info").removesuffix(".dist-info"))
            if distribution not in seen:
                seen.add(distribution)
                yield from _entries(os.path.join(folder or ".", name))


def third_parties() -> Iterator[Plugin]:
    """Every installed plugin, as yet without a line of its code; those that are not to be imported say why."""
    entries = list(installed())
    stuck = hung.remembered() if entries else frozenset()
    for entry in entries:
        key = f"{entry.distribution}:{entry.entry}"
        plugin = Plugin(key, entry.distribution, entry.version, entry.module, info=entry.info)
        reasons = [reason for reason in map(unmet, entry.needs) if reason]
        if reasons:
            plugin.stop("incompatible", reasons[0], "pip install --upgrade ftcore")
        elif hung.is_among(plugin, stuck):
            plugin.stop("hung", "its import hung before, and is not tried again", plugin.check)
        yield plugin


def _metadata_folders(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return []


def _entries(info: str) -> Iterator[Installed]:
    try:
        with open(os.path.join(info, "entry_points.txt"), encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeError):
        return
    entries = list(_group(text))
    if not entries:
        return
    name, version, needs = _headers(info)
    for entry, module in entries:
        yield Installed(name, version, entry, module, needs, Path(info))


def _group(text: str) -> Iterator[tuple[str, str]]:
    """The lines `name = value` of our section."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and line[0] not in "#;":
            entry, _, value = line.partition("=")
            yield entry.strip(), value.partition("[")[0].strip()


def _headers(info: str) -> tuple[str, str, tuple[str, ...]]:
    """Name, version and requirements of ftcore. Only the head of the file is read: a README follows it."""
    base, extension = os.path.splitext(os.path.basename(info))
    name, _, version = base.partition("-")
    needs = []
    try:
        with open(os.path.join(info, FILES[extension]), encoding="utf-8", errors="replace") as file:
            for line in file:
                key, colon, value = line.partition(":")
                if not colon:
                    break
                if key == "Name":
                    name = value.strip()
                elif key == "Version":
                    version = value.strip()
                elif key == "Requires-Dist" and re.match(r"\s*ftcore\b(?![-_.])", value):
                    needs.append(value.strip())
    except OSError:
        pass
    return name, version or "unknown", tuple(needs)


@cache
def unmet(requirement: str) -> str | None:
    """Why a requirement such as `ftcore[report]>=9; extra == "x"` is not met by this ftcore; None when it is."""
    plain = re.fullmatch(r"ftcore\s*\(?>=\s*(\d+(?:\.\d+)*)\)?", requirement)
    ours = re.fullmatch(r"\d+(?:\.\d+)*", ftcore.__version__)
    if plain and ours and _numbers(plain[1]) <= _numbers(ours[0]):
        return None  # what nearly every plugin says; packaging takes 16 ms to import
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        return f"its requirement {requirement!r} cannot be read: {error}"
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return None
    if wanted.specifier.contains(ftcore.__version__, prereleases=True):
        return None
    return f"it needs ftcore {wanted.specifier}, and this is {ftcore.__version__}"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
