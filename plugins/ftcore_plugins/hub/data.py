"""Rows of a data set on the Hugging Face hub, streamed from one fixed commit.

It never gives `datasets` the name of a file reader or a folder: `load_dataset("pandas", …)` unpickled what it was
pointed to in earlier versions, and a folder that happens to be called `owner/name` would be read instead of the hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from ftcore.errors import DataError, FtcoreError, PolicyError, ResourceError, UsageError
from ftcore.types import BadRow, Row
from ftcore_plugins.hub.claims import is_id
from ftcore_plugins.hub.config import HubDataConfig

_READERS = frozenset({
    "json", "csv", "pandas", "parquet", "arrow", "text", "txt", "xml", "sql", "spark", "generator", "pickle",
    "imagefolder", "audiofolder", "videofolder", "pdffolder", "webdataset", "hdf5", "eval", "lance", "buckets", "cache",
})  # fmt: skip
"""Names by which `datasets` means a reader of files. Those that it adds later are refused when it is asked."""


class HubData:
    """Rows from the hub.

    >>> for row in HubData(HubDataConfig(id="owner/name", split="train")).rows():
    ...     print(row.where, row.values)
    """

    def __init__(self, config: HubDataConfig) -> None:
        self._config = config

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row of the split. Raises ResourceError at once when the hub cannot be reached."""
        commit = self._commit
        return self._rows(commit)

    def fingerprint(self) -> str:
        """The id, part and commit that are read."""
        parts = [self._config.id, self._config.config_name or "", self._config.split]
        return f"hub:{'/'.join(part for part in parts if part)}@{self._commit}"

    def _rows(self, commit: str) -> Iterator[Row | BadRow]:
        stream = self._load(commit)
        number = 0
        try:
            for values in stream:
                number += 1
                yield Row(dict(values), f"{self._config.id}:{self._config.split}:{number}")
        except FtcoreError:
            raise
        except Exception as error:
            raise self._in_words(error, where=f"{self._config.id}:{self._config.split}:{number + 1}") from error
        if not number:
            raise DataError("the split has no rows", where=f"{self._config.id}:{self._config.split}")

    def _load(self, commit: str) -> Any:
        from datasets import load_dataset

        try:
            # hf://datasets/ keeps `datasets` from looking for a folder of that name.
            return load_dataset(
                f"hf://datasets/{self._config.id}",
                name=self._config.config_name,
                split=self._config.split,
                revision=commit,
                streaming=True,
            )
        except Exception as error:
            raise self._in_words(error) from error

    @cached_property
    def _commit(self) -> str:
        """The commit that the revision means now. This is also the quick test whether the hub is there."""
        _refuse(self._config.id)
        from huggingface_hub import HfApi

        try:
            found = HfApi().dataset_info(self._config.id, revision=self._config.revision, timeout=10)
        except Exception as error:
            raise self._in_words(error) from error
        return str(found.sha)

    def _in_words(self, error: Exception, where: str | None = None) -> FtcoreError:
        """The hub's many exceptions as the three that matter to a user: not there, not allowed, not reachable."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        name, place = self._config.id, where or f"hub:{self._config.id}"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if isinstance(error, GatedRepoError):
            return ResourceError("the data set asks for consent first", where=place, fix="hf auth login")
        if isinstance(error, RevisionNotFoundError):
            return DataError(f"there is no revision {self._config.revision!r}", where=place)
        if isinstance(error, RepositoryNotFoundError):
            return DataError("there is no such public data set on the hub", where=place, fix="hf auth login")
        if isinstance(error, ValueError):
            return DataError(reason, where=place, fix=_choice(str(error)))
        if _is_unreachable(error):
            return ResourceError(
                "the hub cannot be reached",
                where=place,
                value=reason,
                more=[f"where it can: hf download {name} --repo-type dataset --local-dir {name.rpartition('/')[2]}"],
                fix=f"copy the data set here and use it as files: --data {name.rpartition('/')[2]}",
            )
        return DataError(f"the data set cannot be read: {reason}", where=place)


def _choice(message: str) -> str | None:
    """The fix for an unknown or missing split or configuration: `datasets` lists those that there are."""
    listed = re.search(r"[Aa]vailable[^\[]*\['([^']+)'", message)
    setting = "split" if "split" in message else "config_name"
    return f"--data.{setting} {listed.group(1)}" if listed else None


def _is_unreachable(error: BaseException) -> bool:
    """Whether the error, or one that it came from, is about the connection rather than the data set."""
    seen: BaseException | None = error
    while seen is not None:
        names = {each.__name__ for each in type(seen).__mro__}
        if names & {"ConnectionError", "TransportError", "TimeoutError", "OfflineModeIsEnabled", "HfHubHTTPError"}:
            return True
        seen = seen.__cause__
    return False


def _refuse(name: str) -> None:
    """Raise for anything but an id: PolicyError for readers of files, UsageError for paths and the rest."""
    if name.lower() in _READERS or name.lower() in _installed_readers():
        raise PolicyError(
            f"{name!r} is a reader of files, not a data set on the hub; it is not called by name",
            where="data.id",
            fix="--data FILE",
        )
    if name.startswith((".", "/", "~")):
        what = "this is a path on this machine, not an id on the hub"
        raise UsageError(what, where="data.id", value=name, fix=f"--data {name}")
    if not is_id(name):
        fix = "--data hub:OWNER/NAME"
        raise UsageError("an id on the hub is written OWNER/NAME", where="data.id", value=name, fix=fix)


def _installed_readers() -> frozenset[str]:
    """The readers that the installed `datasets` knows, without importing it: one folder each."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("datasets")
    folder = Path(spec.origin).parent / "packaged_modules" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        return frozenset()
    return frozenset(path.name for path in folder.iterdir() if path.is_dir())
