"""Loads the result of a finished run, so that another begins from it: first supervised tuning, then preferences.

An adapter is folded into its base model once, as `ftcore merge` does it and where `ftcore merge` puts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import FtcoreError
from ftcore.line import options as typed
from ftcore.run.finished import plan_of
from ftcore.run.model_files import code_findings, folder_findings
from ftcore.run.model_folder import load_tokenizer
from ftcore.run.plan import Plan
from ftcore.types import Finding
from ftcore_plugins.local.cache import made
from ftcore_plugins.local.config import RunConfig
from ftcore_plugins.local.folder import Folder, FolderConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Run:
    """The model of a run.

    >>> loader = Run(RunConfig(path="runs/first"))
    >>> model, tokenizer = loader.model(dtype="bfloat16"), loader.tokenizer()
    """

    def __init__(self, config: RunConfig) -> None:
        self.shown = config.path
        self.path = Path(config.path).expanduser()

    def findings(self) -> Iterator[Finding]:
        try:
            plan = self._plan
        except FtcoreError as error:
            yield Finding("error", f"{self.shown}: {error.what}", error.fix, unsafe=error.exit_code == 8)
            return
        artifact, shown = self.path / "model", f"{self.shown.rstrip('/')}/model"
        if plan.method.spec.artifact == "model":
            yield from folder_findings(artifact, shown) if artifact.is_dir() else ()  # it is promised, and comes later
            return
        yield from code_findings(artifact, shown)
        if self._merged.is_dir():
            yield from folder_findings(self._merged, f"{self.shown.rstrip('/')}/merged")
        else:
            yield Finding("note", f"the adapter of {self.shown} is folded into its base model, once")
            yield from plan.model.build().findings()

    def tokenizer(self) -> PreTrainedTokenizerBase:
        plan_of(self.path, typed.manager())  # transformers would take a folder that is gone for an id on the hub
        return load_tokenizer(self.path / "model", self.shown)

    def model(self, **options: Any) -> PreTrainedModel:
        return self._folder.model(**options)

    def fingerprint(self) -> str:
        """`sha256:…` over the files that make the model."""
        return self._folder.fingerprint()

    def name(self) -> str:
        """The path of the whole model, from where ftcore was started."""
        return self._folder.name()

    def license(self) -> str | None:
        """That of the base model, where its loader knows it."""
        base = self._plan.model.build()
        return base.license() if hasattr(base, "license") else None

    @property
    def _merged(self) -> Path:
        return self.path / "merged"

    @cached_property
    def _folder(self) -> Folder:
        is_whole = self._plan.method.spec.artifact == "model"
        elsewhere = f"ftcore merge {self.shown} --out FOLDER, then --model FOLDER"
        path = self.path / "model" if is_whole else made(self._merged, self._merge, elsewhere)
        return Folder(FolderConfig(path=str(path)))

    def _merge(self, folder: Path) -> None:
        from ftcore.run.merge import merge

        merge(self.path, folder, typed.manager())

    @cached_property
    def _plan(self) -> Plan:
        """Raises UsageError for what is no finished run, or holds no model that another could begin from."""
        from ftcore.run.merge import must_be_mergeable

        plan = plan_of(self.path, typed.manager(), "lm")
        if plan.method.spec.artifact == "adapter":
            must_be_mergeable(plan.method.spec, self.path)
        return plan
