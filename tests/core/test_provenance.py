"""lock.json says whose code a run was made of, and whoever goes on is told when it is not the same any more."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from ftcore.errors import PluginError
from ftcore.loading.identity import code_hash
from ftcore.manager import PluginManager
from ftcore.run.provenance import changes, must_be_here, plugins
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from tests import distributions
from tests.conftest import Terminal, echo_rows, write_rows
from tests.core.test_resume import KILLER, plugin_file
from tests.distributions import METHOD

RUNNING = METHOD.format(name="acme-lora").replace("x:Y", "ftcore_plugins.lora.method:Lora").replace(
    "summary=", "config=Ref('ftcore_plugins.lora.config:LoraConfig'), summary="
)  # fmt: skip


@pytest.fixture
def info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of an installed plugin with a method that trains as LoRA does."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "acme", raising=False)
    importlib.invalidate_caches()
    return distributions.install(site, "acme", RUNNING)


def lock(folder: Path, **changed: str) -> None:
    entry = {"key": "acme:main", "distribution": "acme", "version": "1.2", "hash": "sha256:old"}
    rest = {"ftcore": "0", "packages": {}, "settings": {}}
    (folder / "lock.json").write_text(json.dumps({**rest, "plugins": [{**entry, **changed}]}))


def test_the_hash_of_a_distribution_is_that_of_what_it_brings_not_of_how_it_came(info: Path):
    def now() -> str:
        return code_hash(next(p for p in PluginManager.discover().plugins if p.key == "acme:main"))

    first, record = now(), info / "RECORD"
    record.write_text(
        "../../../bin/acme,sha256=names-the-interpreter,9\n__pycache__/acme.cpython-311.pyc,,\n"
        f"{info.name}/INSTALLER,sha256=pip,4\n{info.name}/direct_url.json,sha256=whence,9\n" + record.read_text()
    )
    assert now() == first
    record.write_text(record.read_text().replace("acme.py,sha256=", "acme.py,sha256=x"))
    assert now() != first
    # An editable installation records only where the code is.
    (info / "direct_url.json").write_text('{"dir_info": {"editable": true}}')
    editable = now()
    source = info.parent / "acme.py"
    source.write_text(source.read_text() + "# changed\n")
    assert now() != editable


def test_plugins_that_changed_are_told_with_the_version_to_go_back_to(info: Path, tmp_path: Path):
    plan = resolve(PluginManager.discover(), RunFile(), {"method": "acme-lora"})
    recorded = {entry["key"]: entry for entry in plugins(plan)}
    assert recorded["acme:main"]["version"] == "1.2"
    assert all(entry["hash"].startswith("sha256:") for entry in recorded.values())
    assert len({entry["hash"] for entry in recorded.values()}) == len(recorded)
    lock(tmp_path, hash=recorded["acme:main"]["hash"])
    assert list(changes(tmp_path, plan)) == []
    lock(tmp_path)
    [finding] = changes(tmp_path, plan)
    assert "acme:main has changed since the run began: its code is another" in finding.message
    lock(tmp_path, version="1.1")
    [finding] = changes(tmp_path, plan)
    assert "it was 1.1, and is 1.2" in finding.message
    assert finding.fix == "pip install acme==1.1"


def test_an_old_run_names_the_plugin_that_it_needs(info: Path, tmp_path: Path):
    lock(tmp_path, key="gone:main", distribution="gone")
    with pytest.raises(PluginError, match="the run used the plugin gone:main, which is not loaded here") as error:
        must_be_here(tmp_path, PluginManager.discover())
    assert error.value.fix == "pip install gone==1.2"
    lock(tmp_path, key="gone:main", distribution="gone", origin="local")
    with pytest.raises(PluginError) as error:
        must_be_here(tmp_path, PluginManager.discover())
    assert error.value.fix == "ftcore plugins install PATH/TO/gone", "the index may have another of that name"
    lock(tmp_path)
    must_be_here(tmp_path, PluginManager.discover())
    with pytest.raises(PluginError, match="which is blocked: left out on request"):
        must_be_here(tmp_path, PluginManager.discover(deny=["acme"]))
    (info.parent / "acme.py").write_text("raise ValueError('broken since')")
    del sys.modules["acme"]
    with pytest.raises(PluginError, match="which is broken: ValueError: broken since") as error:
        must_be_here(tmp_path, PluginManager.discover())
    assert error.value.fix == "ftcore plugins check acme"


def test_a_run_that_goes_on_with_another_version_says_so_and_keeps_its_lists(
    ftcore: Terminal, tiny: Path, tmp_path: Path, info: Path
):
    rows = write_rows(tmp_path / "rows.jsonl", echo_rows(24))
    (tmp_path / "run.yaml").write_text("plugins: {allow: [acme]}\n")
    killer = plugin_file(tmp_path, KILLER.format(hook="ftcore_after_step", step=1, name="SIGTERM"))
    stopped = ftcore(
        "run", "run.yaml", "--model", tiny, "--data", rows, "--method", "acme-lora", "--backend", "cpu",
        "--train.steps", 4, "--train.batch_size", 4, "--train.max_length", 256, "--evaluators", "none",
        "--out", "parts", *killer,
    )  # fmt: skip
    assert stopped.code == 143, stopped.err
    assert "allow:\n  - acme" in (tmp_path / "parts" / "run.yaml").read_text()
    assert '"acme:main"' in (tmp_path / "parts" / "lock.json").read_text()
    (info / "RECORD").write_text("acme.py,sha256=another,7\n")
    resumed = ftcore("resume", "parts")
    assert resumed.code == 0, resumed.err
    assert "acme:main has changed since the run began" in resumed.out + resumed.err
