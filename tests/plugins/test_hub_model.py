"""The hub's model loader, against a small hub served on this machine, and against none at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import PolicyError, ResourceError
from ftcore_plugins.hub.model import HubModel, name_findings
from ftcore_plugins.hub.model_config import HubModelConfig

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The parts of the hub's HTTP interface that fetching a model uses, for `owner/name` in `server.folder`."""

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, body: bool) -> None:
        server: Any = self.server
        path = self.path.partition("?")[0]
        server.asked.append(path)
        files = sorted(file.name for file in server.folder.iterdir())
        if path.startswith("/api/models/owner/name/tree/"):
            sizes = [(name, (server.folder / name).stat().st_size) for name in files]
            self.json([{"type": "file", "path": name, "size": size, "oid": name} for name, size in sizes])
        elif path.removeprefix("/api/models/owner/name") in ("", "/revision/main", f"/revision/{COMMIT}"):
            siblings = [{"rfilename": name} for name in files]
            self.json({"id": "owner/name", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        elif path.startswith("/api/models/owner/name/revision/"):
            self.refuse("RevisionNotFound")
        elif path.startswith(f"/owner/name/resolve/{COMMIT}/") and path.rpartition("/")[2] in files:
            self.send(server.folder / path.rpartition("/")[2], body)
        elif path.startswith("/owner/name/resolve/"):
            self.refuse("EntryNotFound")
        else:
            self.refuse("RepoNotFound")

    def json(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send(self, file: Path, body: bool) -> None:
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's files."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A hub with one model; its `folder` may be changed and `asked` says what was asked for."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.folder, server.asked = Path(shutil.copytree(tiny, tmp_path / "served")), []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with use(f"http://127.0.0.1:{server.server_port}", monkeypatch):
        yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An address where nobody answers."""
    with use("http://127.0.0.1:9", monkeypatch):
        yield


@contextlib.contextmanager
def use(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import huggingface_hub
    from huggingface_hub import constants

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", endpoint, raising=False)
    yield


def loader(**settings: Any) -> HubModel:
    return HubModel(HubModelConfig(**{"id": "owner/name", **settings}))


def test_a_model_is_fetched_at_one_commit_and_is_the_model(hub: Any) -> None:
    import torch

    from ftcore.testing.tiny import tiny_model

    model = loader()
    assert list(model.findings()) == []
    assert model.fingerprint() == f"hub:owner/name@{COMMIT}"
    assert model.name() == "owner/name"
    weights = model.model(dtype=torch.float32).state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tiny_model().state_dict().items())
    assert model.tokenizer().chat_template


def test_findings_do_not_fetch_the_weights(hub: Any) -> None:
    assert list(loader().findings()) == []
    assert not any(path.endswith(".safetensors") for path in hub.asked)


def test_what_is_in_the_cache_is_used_when_the_hub_is_gone(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = loader().folder
    with use("http://127.0.0.1:9", monkeypatch):
        later = loader()
        assert list(later.findings()) == []
        assert later.folder == folder
        assert later.fingerprint() == f"hub:owner/name@{COMMIT}"


def test_a_pickle_never_gets_onto_the_disk(hub: Any, cache: Path) -> None:
    (hub.folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (hub.folder / "modeling_mine.py").write_text("print('hello')")
    loader().model()
    assert not [path for path in cache.rglob("*") if path.name in ("pytorch_model.bin", "modeling_mine.py")]


def test_a_model_of_pickles_only_is_refused_before_anything_is_fetched(hub: Any, cache: Path) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    assert "no safetensors" in next(iter(loader().findings())).message
    with pytest.raises(PolicyError, match="no safetensors"):
        loader().model()
    assert not list(cache.rglob("*.bin"))


def test_a_model_that_brings_code_is_refused(hub: Any) -> None:
    config = json.loads((hub.folder / "config.json").read_text()) | {"auto_map": {"AutoConfig": "c.C"}}
    (hub.folder / "config.json").write_text(json.dumps(config))
    [finding] = loader().findings()
    assert "ftcore runs none" in finding.message
    with pytest.raises(PolicyError, match="ftcore runs none"):
        loader().model()


def test_no_such_model_and_no_such_revision_are_told_apart(hub: Any) -> None:
    [model] = loader(id="owner/other").findings()
    assert "there is no public model owner/other" in model.message
    [revision] = loader(revision="v9").findings()
    assert revision.message == "the model owner/name has no revision 'v9'"


def test_without_a_hub_the_message_says_what_to_do(no_hub: None) -> None:
    [finding] = loader().findings()
    assert finding.level == "error"
    assert finding.fix is not None
    assert "--model ./name" in finding.fix
    with pytest.raises(ResourceError, match="cannot be reached") as caught:
        loader().model()
    assert len(caught.value.lines()) <= 6


def test_an_id_in_a_folder_here_may_be_a_path(no_hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "sft").mkdir(parents=True)
    [finding] = loader(id="runs/stf").findings()
    assert finding.message.startswith("there is no folder runs/stf (did you mean 'sft'?); the hub cannot be reached")
    assert finding.fix == "--model runs/sft"


def test_a_path_is_no_id(no_hub: None) -> None:
    [finding] = loader(id="../name").findings()
    assert "is no id on the hub" in finding.message


@pytest.mark.parametrize(
    ("names", "words"),
    [(["adapter_config.json", "adapter_model.safetensors"], "an adapter"), (["model.gguf"], "no transformers model")],
)
def test_what_is_no_model_is_named(names: list[str], words: str) -> None:
    [finding] = name_findings(names, "owner/name")
    assert words in finding.message
