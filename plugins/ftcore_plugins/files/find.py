"""From what a user wrote to the files that are read, in a fixed order. It opens none of them."""

from __future__ import annotations

import difflib
import glob
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftcore.errors import DataError, PolicyError
from ftcore_plugins.files.names import PICKLES, SHEETS, SUPPORTED, UNPACK, Kind, is_gzipped, is_pattern, kind_of, suffix

_NOT_DATA = ("readme", "license", "licence", "notice", "changelog", "dataset_info", "dataset_dict", "state")
"""Stems of files that lie beside data in a folder and are none."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read. `label` is what places in it are called by: short, and unlike that of any other file."""

    path: Path
    kind: Kind
    label: str

    @property
    def is_gzipped(self) -> bool:
        return is_gzipped(self.path.name)


def find(paths: Sequence[str]) -> list[Found]:
    """Every file that the paths mean, each once, sorted within a folder or a pattern.

    Raises DataError for what is missing or cannot be read, PolicyError for pickles.
    """
    files: dict[Path, tuple[Path, Kind]] = {}
    for text in paths:
        for path in _expand(text):
            files.setdefault(path.resolve(), (path, _checked(path)))
    found = list(files.values())
    names = Counter(path.name for path, _ in found)
    return [Found(path, kind, path.name if names[path.name] == 1 else path.as_posix()) for path, kind in found]


def _expand(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        return [path]
    if is_pattern(text):
        return _matching(text)
    raise _missing(path)


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(_walk(folder))
    data = [path for path in files if kind_of(path.name) and path.name.split(".")[0].lower() not in _NOT_DATA]
    if data:
        return data
    if any(path.suffix == ".arrow" for path in files):
        save = f"from datasets import load_from_disk as d; d({str(folder)!r}).to_parquet({str(folder) + '.parquet'!r})"
        raise DataError(
            "the folder was written by save_to_disk, and Arrow files are not read",
            where=str(folder),
            fix=f"python -c {shlex.quote(save)}",
        )
    names = [path.relative_to(folder).as_posix() for path in files]
    raise DataError(
        f"the folder holds no data file ({SUPPORTED}, also .gz)",
        where=str(folder),
        more=[f"in it: {', '.join(names[:8]) or 'nothing'}"],
        fix="--data FILE",
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder; hidden ones, and links to folders, are left alone."""
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(here) / name for name in names if not name.startswith("."))


def _matching(pattern: str) -> list[Path]:
    matches = sorted(Path(name) for name in glob.glob(os.path.expanduser(pattern), recursive=True))
    files = [path for path in matches if path.is_file()]
    data = [path for path in files if kind_of(path.name)]
    if data or files:
        return data or files
    raise DataError("no file matches the pattern", where=pattern, fix=f"ls {pattern}")


def _missing(path: Path) -> DataError:
    parent = path.parent
    if not parent.is_dir():
        return DataError("there is no such file, nor its folder", where=str(path), fix=f"ls {_existing(parent)}")
    names = sorted(entry.name for entry in parent.iterdir() if entry.is_dir() or kind_of(entry.name))
    # Ends that all files share would make any two alike, so they only choose between those of one stem.
    near = difflib.get_close_matches(_stem(path.name), map(_stem, names), n=1, cutoff=0.6)
    if near:
        alike = {name.lower(): name for name in names if _stem(name) == near[0]}
        meant = alike[difflib.get_close_matches(path.name.lower(), alike, n=1, cutoff=0)[0]]
        return DataError(
            f"there is no such file (did you mean {meant!r}?)",
            where=str(path),
            fix=f"--data {shlex.quote(str(path.with_name(meant)))}",
        )
    more = [f"data in {parent}: {', '.join(names[:8])}"] if names else []
    return DataError("there is no such file", where=str(path), more=more, fix="--data FILE")


def _stem(name: str) -> str:
    return name.lower().partition(".")[0]


def _existing(folder: Path) -> Path:
    return next((parent for parent in [folder, *folder.parents] if parent.is_dir()), Path())


def _checked(path: Path) -> Kind:
    """The kind of an existing file, or a refusal that says what to do with it."""
    if not path.is_file():
        raise DataError(
            "this is not a regular file, and rows are read more than once; save them to a file first",
            where=str(path),
            fix="--data FILE",
        )
    kind, ending = kind_of(path.name), suffix(path.name)
    if kind:
        return kind
    if ending in PICKLES:
        raise PolicyError(
            "pickles are not read, since loading one can run any code",
            where=str(path),
            fix="save the rows as .parquet or .jsonl",
        )
    if ending in UNPACK:
        command = f"{UNPACK[ending]} {shlex.quote(str(path))}"
        raise DataError(f"files packed as {ending} are not read, only .gz", where=str(path), fix=command)
    renamed = f"mv {shlex.quote(str(path))} {shlex.quote(str(path.with_suffix('.jsonl')))}"
    raise DataError(
        f"the suffix {ending!r} is not known" if ending else "the name has no suffix that says what is inside",
        where=str(path),
        more=[f"known: {SUPPORTED}, each also with .gz"],
        fix=f"save the sheet as {path.with_suffix('.csv').name}" if ending in SHEETS else renamed,
    )
