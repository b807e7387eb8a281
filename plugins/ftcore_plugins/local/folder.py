"""Loads a model from a folder as transformers saves it. It reads safetensors and JSON, and runs nobody's code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.run.model_files import folder_findings
from ftcore.run.model_folder import load_model, load_tokenizer
from ftcore.types import Finding
from ftcore_plugins.local.config import FolderConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTENT = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "additional_chat_templates/*.jinja")
"""The files that decide what a model answers."""


class Folder:
    """A model in a folder.

    >>> loader = Folder(FolderConfig(path="./SmolLM2-135M-Instruct"))
    >>> model, tokenizer = loader.model(dtype="bfloat16"), loader.tokenizer()
    """

    def __init__(self, config: FolderConfig) -> None:
        self.shown = config.path
        self.path = Path(config.path).expanduser()

    def findings(self) -> Iterable[Finding]:
        return folder_findings(self.path, self.shown)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.path, self.shown)

    def model(self, **options: Any) -> PreTrainedModel:
        return load_model(self.path, self.shown, **options)

    def fingerprint(self) -> str:
        """`sha256:…` over the names and contents of the files that make the model."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return hash_folder(self.path)

    def name(self) -> str:
        """The path from where ftcore was started, so that no artifact tells where on a machine the run took place.

        It starts with `./` or `../`, or else transformers could take `models/x` for a repository on the hub.
        """
        relative = Path(os.path.relpath(self.path)).as_posix()
        return relative if relative.startswith(".") else f"./{relative}"


def hash_folder(path: Path) -> str:
    """sha256 over names and contents, read in blocks of a mebibyte."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in CONTENT for file in path.glob(pattern)}):
        digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        update_from_file(digest, file)
    return f"sha256:{digest.hexdigest()}"


def update_from_file(digest: Any, file: Path) -> None:
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
