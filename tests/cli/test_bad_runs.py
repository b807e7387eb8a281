"""Run folders from which nothing can go on, or where something would be overwritten."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.refusals import DATA, MODEL, USAGE, Try, refused, snapshot
from tests.conftest import Terminal, echo_rows, write_rows


@pytest.mark.parametrize("line", [["resume"], ["chat"], ["merge"], ["report"]])
def test_a_folder_that_is_no_run(ftcore: Terminal, tmp_path: Path, line: list[str]):
    (tmp_path / "holiday").mkdir()
    for folder in ("holiday", "absent"):
        refused(ftcore(*line, folder), USAGE, f"error: {folder}: ")


@pytest.mark.parametrize(
    ("folder", "said", "fix"),
    [
        ("all/1-stf", "all/1-stf: there is no such folder (did you mean '1-sft'?)", "{line} all/1-sft"),
        ("all/2-ppo/model", "all/2-ppo/model: this is a part of a run", "{line} all/2-ppo"),
        ("all", "all: this is the folder of `ftcore rlhf`, which holds several runs\n"
         "  the last that finished: 2-ppo", "{line} all/2-ppo"),
        ("new", "new: this is the folder of `ftcore rlhf`, which holds several runs", "ftcore resume new"),
        (".", ".: this is not the folder of a run", "ls runs"),
    ],
)  # fmt: skip
def test_the_folder_that_was_meant_is_named(ftcore: Terminal, folder: str, said: str, fix: str):
    for path in ("new/pipeline.yaml", "all/pipeline.yaml", "all/1-sft/run.yaml", "all/1-sft/report.json",
                 "all/2-ppo/run.yaml", "all/2-ppo/report.json", "all/2-ppo/model/config.json"):  # fmt: skip
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    os.utime("all/1-sft/report.json", (0, 0))
    for line in ("ftcore chat", "ftcore merge", "ftcore report"):
        shown = ftcore(line.removeprefix("ftcore "), folder).err
        assert shown == f"error: {said}\n  try: {fix.format(line=line)}\n"


def test_what_to_type_next_names_the_plugin_file_again(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "nudges.py").write_text(
        "from ftcore import hookimpl\n\n@hookimpl\ndef ftcore_tuning_methods():\n    return []\n"
    )
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.yaml").touch()
    result = ftcore("report", "begun", "--plugin", "nudges.py")
    assert result.err.endswith("  try: ftcore resume begun --plugin nudges.py\n")


def test_a_finished_run_has_nothing_left_to_do(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    before = snapshot(tmp_path / "run")
    result = ftcore("resume", "run")
    assert result.code == 0
    assert "the run is finished already; this is its result" in result.err
    assert attempt("--out", "run").err.endswith("  try: --out run-2\n")
    after = snapshot(tmp_path / "run")
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= {"report.html"}
    (tmp_path / "run" / "model" / "adapter_model.safetensors").write_bytes(b"")
    spoilt = ftcore("resume", "run")
    assert spoilt.code == MODEL
    assert "the artifact is not as the run wrote it" in spoilt.err


def test_a_finished_run_whose_model_was_removed_says_so(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    assert attempt("--out", "next", model="./run").code == 0
    shutil.rmtree(tmp_path / "run" / "model")
    for line in (["chat", "run"], ["chat", "next"], ["plan", "--model", "./run"]):
        result = ftcore(*line)
        assert result.code == MODEL
        assert "the artifact run/model is missing" in result.err
        assert result.err.endswith("  try: train it anew: ftcore run run/run.yaml --out run-2\n")


@pytest.fixture
def unfinished(attempt: Try, tmp_path: Path) -> Path:
    """A run that has everything but its end."""
    assert attempt("--out", "run", "--checkpoints.every", 1).code == 0
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "report.json").unlink()
    return tmp_path / "run"


def test_an_unfinished_run_has_nothing_to_talk_to(unfinished: Path, ftcore: Terminal):
    for line in (["chat", "run", "--prompt", "a"], ["merge", "run"], ["report", "run"]):
        result = ftcore(*line)
        assert result.code == USAGE
        assert "  try: ftcore resume run" in result.err
    assert not (unfinished / "merged").exists()


def test_a_run_whose_data_changed_does_not_go_on(unfinished: Path, ftcore: Terminal, tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", echo_rows(25))
    before = snapshot(unfinished)
    result = ftcore("resume", "run")
    assert result.code == DATA
    assert "the data has changed since the run began" in result.err
    assert "try: start anew: ftcore run run/run.yaml --out run-2" in result.err
    assert before.items() <= snapshot(unfinished).items()


def test_a_run_whose_model_changed_does_not_go_on(attempt: Try, ftcore: Terminal, tiny: Path, tmp_path: Path):
    from ftcore.testing.tiny import save_tiny

    save_tiny(tmp_path / "base")
    assert attempt("--out", "run", model="./base").code == 0
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "report.json").unlink()
    save_tiny(tmp_path / "base", seed=1)
    result = ftcore("resume", "run")
    assert result.code == MODEL
    assert "the model has changed since the run began" in result.err


def test_a_run_without_one_intact_checkpoint_says_so(unfinished: Path, ftcore: Terminal):
    for path in (unfinished / "checkpoints").glob("step-*/rng.json"):
        path.write_text("{}")
    result = ftcore("resume", "run")
    assert result.code == MODEL
    assert "no checkpoint of this run is intact" in result.err
    assert "step-000002: rng.json has changed since it was written" in result.err
    assert "  try: start anew: ftcore run run/run.yaml --out run-2" in result.err


def test_a_damaged_lock_file_is_named(unfinished: Path, ftcore: Terminal):
    (unfinished / "lock.json").write_text("{")
    result = ftcore("resume", "run")
    assert result.code == MODEL
    assert "lock.json: the file is damaged" in result.err


def test_an_artifact_that_has_changed_is_not_used(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    path = tmp_path / "run" / "model" / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for line in (["chat", "run", "--prompt", "a"], ["merge", "run"]):
        result = ftcore(*line)
        assert result.code == MODEL
        assert "adapter_model.safetensors has changed since it was written" in result.err
        assert "  try: train it anew: ftcore run run/run.yaml --out run-2" in result.err
    assert not (tmp_path / "run" / "merged").exists()


def test_a_merge_never_overwrites_and_wants_a_dtype(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    wrong = ftcore("merge", "run", "--dtype", "float33")
    assert wrong.code == USAGE
    assert "there is no dtype 'float33'" in wrong.err
    assert not (tmp_path / "run" / "merged").exists()
    (tmp_path / "there").mkdir()
    refused_twice = ftcore("merge", "run", "--out", "there")
    assert refused_twice.code == USAGE
    assert "  try: --out there-2" in refused_twice.err
