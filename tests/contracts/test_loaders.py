"""Every built-in model loader keeps the contract of model loaders."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ftcore.cli.main import main
from ftcore.testing.loaders import LoaderContract
from ftcore.testing.tiny import save_tiny
from tests.conftest import echo_rows, write_rows
from tests.plugins.test_hub_model import Hub, use
from tests.plugins.test_local import write_gguf


class TestFolder(LoaderContract):
    name = "folder"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        cls.settings = {"path": str(save_tiny(folder))}


class TestRun(LoaderContract):
    name = "run"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        rows = write_rows(folder / "rows.jsonl", echo_rows(8))
        line = f"run --model {save_tiny(folder / 'tiny')} --data {rows} --method lora --train.steps 1 --evaluators none"
        assert main([*line.split(), "--out", str(folder / "run")]) == 0
        cls.settings = {"path": str(folder / "run")}


class TestGguf(LoaderContract):
    name = "gguf"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        write_gguf(folder / "tiny.gguf")
        cls.settings = {"path": str(folder / "tiny.gguf")}

    @pytest.fixture(autouse=True)
    def _cache(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FTCORE_CACHE", str(Path(self.settings["path"]).parent / "cache"))


class TestHub(LoaderContract):
    """Against a hub on this machine."""

    name = "hub"
    settings = {"id": "owner/name"}  # noqa: RUF012

    @pytest.fixture(autouse=True, scope="class")
    def _hub(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        server.folder, server.asked = save_tiny(tmp_path_factory.mktemp("served")), []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
            with use(f"http://127.0.0.1:{server.server_port}", patch):
                yield
        server.shutdown()
        server.server_close()


@pytest.mark.real
class TestDemo(LoaderContract):
    """The 135M model, which is fetched once."""

    name = "demo"
