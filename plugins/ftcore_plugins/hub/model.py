"""A model on the Hugging Face hub: fetched once, at one fixed commit, then loaded like any folder.

Only safetensors, JSON, tokenizer and template files are fetched, so that no pickle and no code gets onto the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import FtcoreError, ModelError, ResourceError, closest, did_you_mean
from ftcore.run.model_files import folder_findings
from ftcore.run.model_folder import load_model, load_tokenizer, refuse
from ftcore.types import Finding
from ftcore_plugins.hub.claims import is_id
from ftcore_plugins.hub.model_config import HubModelConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WANTED = ["*.safetensors", "*.json", "*.model", "*.jinja", "*.txt"]
SMALL = ["*.json", "*.model", "*.jinja", "*.txt"]
SECONDS = 10
"""How long the hub may take to say which commit a revision is."""


class HubModel:
    """A model by id and revision.

    >>> loader = HubModel(HubModelConfig(id="HuggingFaceTB/SmolLM2-135M-Instruct"))
    >>> model, tokenizer = loader.model(), loader.tokenizer()
    """

    def __init__(self, config: HubModelConfig) -> None:
        self.id, self.revision = config.id, config.revision

    def findings(self) -> Iterator[Finding]:
        """What the hub and the model's small files say; the weights are not fetched yet."""
        if not is_id(self.id):
            yield Finding("error", f"{self.id!r} is no id on the hub; one is written OWNER/NAME", "--model OWNER/NAME")
            return
        try:
            present = self._cached
            if present is not None and not _errors(folder_findings(present, self.id)):
                return
            yield from name_findings(self._names, self.id)
            yield from folder_findings(self._fetch(SMALL), self.id, weights=False)
        except FtcoreError as error:
            yield self._not_there(error)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.folder, self.id)

    def model(self, **options: Any) -> PreTrainedModel:
        return load_model(self.folder, self.id, **options)

    def fingerprint(self) -> str:
        """The id and the commit that is read."""
        return f"hub:{self.id}@{self.folder.name}"

    def name(self) -> str:
        return self.id

    @cached_property
    def folder(self) -> Path:
        """The model's files on this machine, fetched if they are not there. Raises ModelError or ResourceError."""
        present = self._cached
        if present is not None and not _errors(folder_findings(present, self.id)):
            return present
        refuse(name_findings(self._names, self.id), self.id)
        return self._fetch(WANTED)

    @cached_property
    def commit(self) -> str:
        """The commit that the revision means: asked of the hub, or of its cache here when the hub cannot be reached."""
        if self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision):
            return self.revision
        try:
            return str(self._info.sha)
        except ResourceError:
            present = self._snapshot(self.revision)
            if present is None:
                raise
            return present.name

    @property
    def _cached(self) -> Path | None:
        return self._snapshot(self.commit)

    def _snapshot(self, revision: str | None) -> Path | None:
        """What the cache holds of a revision, or None. It need not be complete."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(snapshot_download(self.id, revision=revision, local_files_only=True))
        except LocalEntryNotFoundError:
            return None

    @cached_property
    def _info(self) -> Any:
        from huggingface_hub import HfApi

        try:
            return HfApi().model_info(self.id, revision=self.revision, timeout=SECONDS)
        except Exception as error:
            raise self._in_words(error) from error

    @property
    def _names(self) -> list[str]:
        return [file.rfilename for file in self._info.siblings or ()]

    def _fetch(self, patterns: Sequence[str]) -> Path:
        from huggingface_hub import snapshot_download

        try:
            # By the revision's own name, so that the cache here remembers which commit it meant.
            return Path(snapshot_download(self.id, revision=self.revision, allow_patterns=list(patterns)))
        except Exception as error:
            raise self._in_words(error) from error

    def _in_words(self, error: Exception) -> FtcoreError:
        """The hub's many exceptions as those that matter to a user: not there, not allowed, not reachable."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        if isinstance(error, FtcoreError):
            return error
        place = f"hub:{self.id}"
        if isinstance(error, GatedRepoError):
            return ResourceError(f"the model {self.id} asks for consent first", where=place, fix="hf auth login")
        if isinstance(error, RevisionNotFoundError):
            return ModelError(f"the model {self.id} has no revision {self.revision!r}", where=place)
        if isinstance(error, RepositoryNotFoundError):
            return ModelError(f"there is no public model {self.id} on the hub", where=place, fix="hf auth login")
        short = self.id.rpartition("/")[2]
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ResourceError(
            f"the hub cannot be reached, and the model {self.id} is not in its cache here",
            where=place,
            value=reason,
            more=[f"where it can: hf download {self.id} --local-dir {short}"],
            fix=f"copy the model here and use it as a folder: --model ./{short}",
        )

    def _not_there(self, error: FtcoreError) -> Finding:
        """An id may have been meant as a path: where what it stands in is a folder here, that is said first."""
        path = Path(self.id)
        if "/" not in self.id or not path.parent.is_dir():
            return Finding("error", error.what, error.fix)
        names = [child.name for child in path.parent.iterdir() if child.is_dir()]
        near = closest(path.name, names)
        fix = f"--model {path.with_name(near)}" if near else f"ls {path.parent}"
        return Finding("error", f"there is no folder {self.id}{did_you_mean(path.name, names)}; {error.what}", fix)


def name_findings(names: Iterable[str], shown: str) -> Iterator[Finding]:
    """What the names of a repository's files say against it."""
    top = [name for name in names if "/" not in name]
    if "config.json" not in top:
        what = "an adapter" if "adapter_config.json" in top else "no transformers model"
        yield Finding("error", f"{shown} is {what}: it has no config.json", "--model OWNER/NAME of its base model")
    elif not any(name.endswith(".safetensors") for name in top):
        yield Finding(
            "error",
            f"{shown} has no safetensors; a pickle can run code when read, and ftcore reads none",
            f"https://huggingface.co/spaces/safetensors/convert makes a revision with safetensors of {shown}",
            unsafe=True,
        )


def _errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "error"]
