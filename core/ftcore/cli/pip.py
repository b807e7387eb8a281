"""pip, as this interpreter has it: what an installation would change, and doing it.

Python is always started with `-P`: a `pip.py` in the working directory, which may be a downloaded folder, is not pip.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ftcore.errors import PluginError, ResourceError, UsageError

CORE = ("torch", "transformers", "peft", "trl")
"""Packages of which another version may give other numbers, or none."""


@dataclass(frozen=True, slots=True)
class Change:
    """A distribution that would be installed, and the version that is there before."""

    name: str
    version: str
    before: str | None = None

    @property
    def is_new(self) -> bool:
        return self.before is None


def plan_installation(target: Sequence[str], allow_changes: bool) -> list[Change]:
    """What `pip install` would do; nothing is done. `allow_changes` lets it change ftcore's own dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        _pip("install", "--dry-run", "--report", str(report), *_constraints(folder, allow_changes), *target)
        entries = json.loads(report.read_text(encoding="utf-8"))["install"]
    found = [(entry["metadata"]["name"], entry["metadata"]["version"]) for entry in entries]
    return [Change(name, version, _version(name)) for name, version in found]


def carry_out(target: Sequence[str], allow_changes: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Whether all else here agrees is a question about the whole environment, and nobody would read the answer.
        _pip("install", "--no-warn-conflicts", *_constraints(folder, allow_changes), *target)


def remove(distribution: str, info: Path) -> None:
    """Raises PluginError where pip leaves it: it touches only this environment, and says so without failing."""
    _pip("uninstall", "--yes", distribution)
    if (info / "entry_points.txt").exists():
        raise PluginError(
            f"pip leaves {distribution} where it is, outside of this environment",
            where=str(info.parent),
            fix=f"FTCORE_PLUGINS=-{distribution} ftcore …",
        )


def line(command: str, *arguments: str) -> str:
    """What to type for pip to work on the environment that ftcore runs in, whichever `python` is on the path."""
    return shlex.join([sys.executable, "-P", "-m", "pip", command, *arguments])


def _pip(command: str, *arguments: str) -> None:
    """Raises PluginError with what pip says is wrong."""
    if importlib.util.find_spec("pip") is None:
        raise ResourceError("this Python has no pip", where=sys.executable, fix=f"{sys.executable} -P -m ensurepip")
    words = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", command, *arguments]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise _refusal(command, arguments[-1], done.stdout)


def _refusal(command: str, target: str, output: str) -> PluginError:
    """pip's own words. A conflict is most often one with the versions that ftcore runs on."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    conflict = [line for line in lines if " depends on " in line or "(constraint)" in line]
    if conflict:
        fix = f"ftcore plugins install {target} --allow-changes"
    elif Path(target).is_dir() and "/" not in target:
        fix = f"ftcore plugins install ./{target}"  # without a slash pip takes it for a name, and asks the index
    else:
        fix = line(command, target)
    return PluginError(
        f"pip does not {command} it: {(errors or lines[-1:] or ['it says nothing'])[0]}",
        where=target,
        more=conflict or errors[1:],
        fix=fix,
    )


def _constraints(folder: str, allow_changes: bool) -> Sequence[str]:
    """Options that hold ftcore and its direct dependencies at the versions that are installed."""
    if allow_changes:
        return ()
    file = Path(folder, "constraints.txt")
    file.write_text("".join(f"{name}=={version}\n" for name, version in held()), encoding="utf-8")
    return ("--constraint", str(file))


def held() -> Iterator[tuple[str, str]]:
    """ftcore and what it depends on, extras aside, with the versions that are here."""
    for requirement in ("ftcore", *(metadata.requires("ftcore") or ())):
        name = re.match(r"[\w.-]+", requirement)
        version = _version(name[0]) if name and "extra ==" not in requirement else None
        if name and version:
            yield name[0], version


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def must_be_there(spec: str) -> None:
    """Raise UsageError for a path that is none, or a plugin file; pip's own message speaks of requirement syntax."""
    looks_like_a_path = spec.endswith((".whl", ".tar.gz", ".py")) or "/" in spec or "\\" in spec or spec.startswith(".")
    if looks_like_a_path and "://" not in spec and "@" not in spec and not Path(spec).exists():
        raise UsageError("there is no such file or folder", where=spec, fix="ftcore plugins install NAME-OR-PATH")
    if spec.endswith(".py"):
        raise UsageError(
            "a file is not installed; it is named on the line that wants it",
            where=spec,
            more=["what can be installed is a package: ftcore plugins new NAME --kind KIND writes one"],
            fix=f"ftcore run --plugin {shlex.quote(spec)}",
        )
