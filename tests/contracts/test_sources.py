"""Every built-in dataset source keeps the contract of dataset sources."""

# ruff: noqa: RUF012 - settings are read, never changed

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftcore.testing.sources import SourceContract
from tests.plugins.hub_server import NAME, serving
from tests.plugins.label_page import judged_project

ROWS = "".join(f'{{"prompt": "{n}?", "completion": "{n}!"}}\n' for n in range(8))
BROKEN = f'{ROWS}{{"prompt": "no end\n{ROWS}'


class TestFiles(SourceContract):
    name = "files"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        (folder / "good.jsonl").write_text(ROWS)
        (folder / "broken.jsonl").write_text(BROKEN)
        cls.settings = {"path": str(folder / "good.jsonl")}
        cls.broken = {"path": str(folder / "broken.jsonl")}


class TestFilesOfAFolder(SourceContract):
    name = "files"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        (folder / "a.csv").write_text("prompt,completion\n" + "".join(f"{n}?,{n}!\n" for n in range(5)))
        (folder / "b.csv").write_text("prompt,completion\nlast?,last!\none,two,three\n")
        cls.settings = {"path": str(folder / "a.csv")}
        cls.broken = {"path": str(folder)}


class TestDemo(SourceContract):
    name = "demo"
    settings = {"rows": 12, "heldout": 4}
    breakable = False


class TestLabels(SourceContract):
    name = "labels"
    breakable = False

    @classmethod
    def prepare(cls, folder: Path) -> None:
        judged_project(folder / "labels" / "mine.db")
        cls.settings = {"project": "mine", "db": str(folder / "labels" / "mine.db")}


class TestHub(SourceContract):
    """Against a hub on this machine."""

    name = "hub"
    settings = {"id": NAME}
    breakable = False  # the library `datasets` reads the files, and refuses one with a broken row as a whole

    @pytest.fixture(autouse=True, scope="class")
    def _hub(self, tmp_path_factory: Any) -> Iterator[None]:
        import datasets.config
        from huggingface_hub import constants, hf_api

        with serving({"README.md": "# tiny\n", "train.jsonl": ROWS}) as address, pytest.MonkeyPatch.context() as patch:
            template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
            for module, name, value in (
                (constants, "ENDPOINT", address),
                (constants, "HUGGINGFACE_CO_URL_TEMPLATE", template),
                (constants, "HF_HUB_OFFLINE", False),
                (constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub"))),
                (hf_api.api, "endpoint", address),
                (datasets.config, "HF_ENDPOINT", address),
                (datasets.config, "HF_HUB_OFFLINE", False),
            ):
                patch.setattr(module, name, value)
            yield
