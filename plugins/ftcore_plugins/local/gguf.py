"""Loads a GGUF file by way of a folder that is made once and kept. It does not train on GGUF's packed weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import did_you_mean
from ftcore.run.model_files import LFS_POINTER
from ftcore.run.model_folder import load_model, load_tokenizer, refuse
from ftcore.types import Finding
from ftcore_plugins.local.cache import cached, models_folder
from ftcore_plugins.local.config import GgufConfig
from ftcore_plugins.local.convert import VERSION, convert
from ftcore_plugins.local.folder import Folder, FolderConfig, update_from_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Gguf:
    """A model in a GGUF file.

    >>> loader = Gguf(GgufConfig(path="./model-Q4_K_M.gguf"))
    >>> model, tokenizer = loader.model(), loader.tokenizer()
    """

    def __init__(self, config: GgufConfig) -> None:
        self.shown = config.path
        self.path = Path(config.path).expanduser()

    def findings(self) -> Iterable[Finding]:
        return gguf_findings(self.path, self.shown)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.folder, self.shown)

    def model(self, **options: Any) -> PreTrainedModel:
        return load_model(self.folder, self.shown, **options)

    def fingerprint(self) -> str:
        """`sha256:…` of the file."""
        return f"sha256:{self._sha256}"

    def name(self) -> str:
        """The file's path from where ftcore was started."""
        return Folder(FolderConfig(path=str(self.path))).name()

    @cached_property
    def folder(self) -> Path:
        """The unpacked model, made on first use: about half a minute for 135M parameters."""
        refuse(self.findings(), self.shown)
        return cached(cache_key(self._sha256), lambda folder: convert(self.path, folder))

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        update_from_file(digest, self.path)
        return digest.hexdigest()


def cache_key(sha256: str) -> str:
    """Sixteen characters that change with the file and with what the conversion makes of it."""
    return hashlib.sha256(f"{VERSION}:{sha256}".encode()).hexdigest()[:16]


def is_cached(sha256: str) -> bool:
    return (models_folder() / cache_key(sha256)).is_dir()


def gguf_findings(path: Path, shown: str) -> Iterator[Finding]:
    """What keeps a GGUF file from being read, judged by its first bytes."""
    if not path.is_file():
        siblings = sorted(file.name for file in path.parent.glob("*.gguf")) if path.parent.is_dir() else []
        yield Finding(
            "error", f"there is no file {shown}{did_you_mean(path.name, siblings)}", "--model PATH/TO/FILE.gguf"
        )
        return
    with path.open("rb") as stream:
        head = stream.read(len(LFS_POINTER))
    if head == LFS_POINTER:
        yield Finding("error", f"{shown} is a git-lfs pointer, not the weights", "git lfs pull")
    elif head[:4] != b"GGUF":
        yield Finding("error", f"{shown} is no GGUF file", "--model PATH/TO/FILE.gguf")
