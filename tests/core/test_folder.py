"""A run folder from somebody else writes nowhere but into itself; one's own can be read by those who may."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from ftcore.errors import PolicyError
from ftcore.run.folder import is_unused, open_own, remove, write_text
from tests.cli.refusals import snapshot
from tests.conftest import Terminal

LINKS = ["quarantine.jsonl", "rows.arrow", "checkpoints", "metrics.jsonl", ".lock", "run.yaml", "model", "merged/a/b"]


@pytest.fixture
def run(ftcore: Terminal, tiny: Path, rows: Path) -> Path:
    line = f"run --model {tiny} --data {rows} --train.steps 2 --checkpoints.every 1 --evaluators loss --out run"
    assert ftcore(*line.split()).code == 0
    return rows.with_name("run")


@pytest.mark.parametrize("name", LINKS)
def test_a_link_in_a_run_folder_is_refused_before_anything_is_written(ftcore: Terminal, run: Path, name: str):
    (run / "report.json").unlink()
    outside = run.with_name("outside")
    if name in ("checkpoints", "model"):
        shutil.move(run / name, outside)
    else:
        outside.write_text("mine")
    if name == "run.yaml":
        shutil.copy(run / name, outside)
    remove(run / name)
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(outside)
    before = snapshot(run.parent)
    for line in ("resume run", "report run", "chat run --prompt a", "merge run", "plan --model ./run"):
        refused = ftcore(*line.split())
        assert refused.code == 8, (line, refused.err)
        assert "a run folder holds no links" in refused.err
        assert snapshot(run.parent) == before


def test_a_copy_of_what_the_links_lead_to_goes_on(ftcore: Terminal, run: Path):
    (run / "report.json").unlink()
    shutil.move(run / "checkpoints", run.with_name("elsewhere"))
    (run / "checkpoints").symlink_to(run.with_name("elsewhere"))
    fix = ftcore("resume", "run").err.splitlines()[-1]
    assert fix == "  try: if you trust it, copy what it leads to: cp -rL run run-2"
    assert os.system(fix.rpartition(": ")[2]) == 0
    assert ftcore("resume", "run-2").code == 0


@pytest.mark.parametrize("mode", ["w", "a", "wb", "a+b"])
def test_no_writer_follows_a_link(tmp_path: Path, mode: str):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(PolicyError, match="a link stands in the place"):
        open_own(tmp_path / "link", mode)
    (tmp_path / f".name.{os.getpid()}.tmp").symlink_to(tmp_path / "target")
    with pytest.raises(PolicyError):
        write_text(tmp_path / "name", "text")
    assert not (tmp_path / "target").exists()


def test_what_a_killed_run_leaves_before_its_first_file_is_unused(tmp_path: Path):
    assert is_unused(tmp_path)
    (tmp_path / ".lock").touch()
    (tmp_path / ".run.yaml.123.tmp").touch()
    assert is_unused(tmp_path)
    (tmp_path / "quarantine.jsonl").touch()
    assert not is_unused(tmp_path)


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_whoever_may_read_the_folder_may_read_the_weights(ftcore: Terminal, tiny: Path, rows: Path, umask: int):
    before = os.umask(umask)
    try:
        line = f"run --model {tiny} --data {rows} --train.steps 2 --checkpoints.every 1 --evaluators none --out run"
        assert ftcore(*line.split()).code == 0
        assert ftcore("merge", "run").code == 0
    finally:
        os.umask(before)
    files = {
        path.relative_to(rows.parent).as_posix(): path for path in rows.with_name("run").rglob("*") if path.is_file()
    }
    assert {"run/model/adapter_model.safetensors", "run/merged/model.safetensors",
            "run/checkpoints/step-000002/state.safetensors"} <= files.keys()  # fmt: skip
    wrong = {
        name: oct(mode) for name, path in files.items() if (mode := stat.S_IMODE(path.stat().st_mode)) != 0o666 & ~umask
    }
    assert wrong == {}
