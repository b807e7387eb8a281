"""A run goes on only as what it was: its settings, and the version that began it, are those that lock.json says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import Terminal


@pytest.fixture
def run(ftcore: Terminal, tiny: Path, rows: Path) -> Path:
    """A run that has everything but its end."""
    line = f"run --model {tiny} --data {rows} --train.steps 2 --checkpoints.every 1 --evaluators loss --out run"
    assert ftcore(*line.split()).code == 0
    folder = rows.with_name("run")
    (folder / "report.json").unlink()
    return folder


def edit(run: Path, dotted: str, value: object) -> None:
    values = yaml.safe_load((run / "run.yaml").read_text())
    *path, last = dotted.split(".")
    place = values
    for key in path:
        place = place[int(key) if isinstance(place, list) else key]
    place[last] = value
    (run / "run.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


@pytest.mark.parametrize(
    ("key", "value", "was"),
    [
        ("train.seed", 7, "42"),
        ("train.batch_size", 2, "8"),
        ("train.steps", 3, "2"),
        ("train.learning_rate", 0.02, "0.0002"),
        ("train.max_length", 64, "1024"),
        ("train.weight_decay", 0.5, "0.0"),
        ("train.scheduler", "constant", '"cosine"'),
        ("train.optimizer", "sgd", '"adamw_torch"'),
        ("evaluate.holdout", 5, None),
        ("method.rank", 4, "16"),
        ("backend.precision", "fp32", None),
        ("strategy.template", "none", '"chat"'),
    ],
)
def test_a_setting_that_alters_a_number_is_refused(
    ftcore: Terminal, run: Path, key: str, value: object, was: str | None
):
    edit(run, key, value)
    refused = ftcore("resume", "run")
    assert refused.code == 2, refused.err
    assert f"run/run.yaml: settings of the run have changed since it began: {key}" in refused.err
    assert was is None or f"{key} was {was}, and is now " in refused.err, refused.err
    assert "try: put them back in run/run.yaml, or start anew: ftcore run run/run.yaml --out run-2" in refused.err
    assert not (run / "report.json").exists()


def test_a_setting_that_alters_none_is_allowed_and_listed(ftcore: Terminal, run: Path):
    edit(run, "checkpoints.keep", 5)
    edit(run, "reporters", ["console"])
    resumed = ftcore("resume", "run")
    assert resumed.code == 0, resumed.err
    assert "changed since the run began, which alters no number: " in resumed.err
    assert "checkpoints.keep" in resumed.err
    assert "reporters" in resumed.err


def test_an_untouched_run_is_told_nothing_of_the_kind(ftcore: Terminal, run: Path):
    resumed = ftcore("resume", "run")
    assert resumed.code == 0
    assert "changed" not in resumed.err


def test_the_list_in_the_lock_is_no_way_around(ftcore: Terminal, run: Path):
    edit(run, "train.seed", 7)
    lock = json.loads((run / "lock.json").read_text())
    lock["settings"]["train.seed"] = 7
    (run / "lock.json").write_text(json.dumps(lock))
    refused = ftcore("resume", "run")
    assert refused.code == 4
    assert "are not those that were written when the run began" in refused.err


def test_another_version_of_ftcore_is_refused_and_of_a_library_is_named(ftcore: Terminal, run: Path):
    lock = json.loads((run / "lock.json").read_text())
    (run / "lock.json").write_text(json.dumps({**lock, "ftcore": "0.0.9"}))
    refused = ftcore("resume", "run")
    assert refused.code == 4
    assert "the run was begun by ftcore 0.0.9, and this is" in refused.err
    assert "pip install ftcore==0.0.9" in refused.err
    (run / "lock.json").write_text(json.dumps({**lock, "packages": {**lock["packages"], "torch": "1.0"}}))
    warned = ftcore("resume", "run")
    assert warned.code == 0
    assert "torch was 1.0 when the run began" in warned.err


@pytest.mark.parametrize("text", ["[]", "{}", '{"plugins": []}', "3"])
def test_what_is_no_lock_is_named(ftcore: Terminal, run: Path, text: str):
    (run / "lock.json").write_text(text)
    refused = ftcore("resume", "run")
    assert refused.code == 4, refused.err
    assert "lock.json" in refused.err
