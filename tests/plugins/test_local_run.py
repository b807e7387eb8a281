"""A finished run as the model that another begins from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from ftcore.errors import ResourceError
from ftcore.run.finished import promised
from ftcore.run.reload import reload
from ftcore.testing.probes import logits
from ftcore_plugins.local.cache import made
from ftcore_plugins.local.config import RunConfig
from ftcore_plugins.local.run import Run
from tests.conftest import Terminal
from tests.core.test_reload_merge import MANAGER, finished  # noqa: F401  a fixture


def loader(folder: Path) -> Run:
    return Run(RunConfig(path=str(folder)))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_answers_as_the_run_does_and_is_folded_once(finished: Any, method: str):  # noqa: F811
    run = finished("--method", method)
    notes = [finding.message for finding in loader(run).findings()]
    assert len(notes) == (method == "lora")
    answers = logits(loader(run).model(dtype=torch.float32).eval())
    torch.testing.assert_close(answers, logits(reload(run, MANAGER).model), rtol=0, atol=1e-4)
    assert list(loader(run).findings()) == []
    written = [path.stat().st_mtime_ns for path in (run / "merged").glob("*")]
    torch.testing.assert_close(logits(loader(run).model(dtype=torch.float32).eval()), answers, rtol=0, atol=0)
    assert [path.stat().st_mtime_ns for path in (run / "merged").glob("*")] == written


def test_a_run_on_a_run_on_a_run(ftcore: Terminal, finished: Any, tmp_path: Path):  # noqa: F811
    """Supervised tuning, then preferences, then more: each names the one before, and each answers as it was trained."""
    run = finished(name="first")
    for name, before in (("second", "first"), ("third", "second")):
        line = ("run", "--model", before, "--data", "rows.jsonl", "--method", "lora", "--train.steps", 2, "--backend",
                "cpu", "--backend.precision", "fp32", "--evaluators", "none", "--reporters", "metrics")  # fmt: skip
        result = ftcore(*line, "--out", name)
        assert result.code == 0, result.err
        assert (tmp_path / before / "merged" / "config.json").is_file()
    answers = logits(reload(tmp_path / "third", MANAGER).model)
    assert (answers - logits(reload(run, MANAGER).model)).abs().max() > 1e-3
    said = (tmp_path / "third" / "model" / "adapter_config.json").read_text()
    assert '"./second/merged"' in said
    shutil.rmtree(tmp_path / "second" / "merged")
    torch.testing.assert_close(logits(reload(tmp_path / "third", MANAGER).model), answers, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--model", "run/model"), "run/model is the adapter of a run, not a model\n  try: --model run\n"),
        (("--model", "begun"), "begun: the run is not finished\n  try: ftcore resume begun\n"),
        (
            ("--model", "gone"),
            "gone: the artifact gone/model is missing\n  try: train it anew: ftcore run gone/run.yaml ",
        ),
        (("--model", "all"), "all is no model; it holds runs, the last of them 2-ppo\n  try: --model all/2-ppo\n"),
        (("--model", "all/2-ppo/mdl"), "there is no folder all/2-ppo/mdl"),
        (("--model", "prompts"), "prompts: what the method 'prompt-tuning' learns cannot be folded"),
        (("--model", "run:nowhere"), "nowhere: there is no such folder"),
    ],
)
def test_what_nothing_can_begin_from_is_refused_on_the_plan(ftcore: Terminal, finished: Any, line: Any, said: str):  # noqa: F811
    run = finished()
    shutil.copytree(run, "begun", ignore=shutil.ignore_patterns("model", "report.json"))
    shutil.copytree(run, "gone", ignore=shutil.ignore_patterns("model"))
    for number, name in enumerate(("1-sft", "2-ppo")):
        (Path("all") / name).mkdir(parents=True)
        (Path("all") / name / "run.yaml").touch()
        os.utime(Path("all") / name / "run.yaml", (number, number))
    shutil.copytree(run, "prompts")
    text = Path("prompts/run.yaml").read_text()
    at, end = text.index("method:"), text.index("strategy:")
    Path("prompts/run.yaml").write_text(f"{text[:at]}method: prompt-tuning\n{text[end:]}")
    refused = ftcore("plan", *line, "--data", "rows.jsonl", "--method", "lora")
    assert refused.code == 4
    assert said in refused.err


def test_a_promised_run_counts_as_finished_and_is_judged_by_its_plan(finished: Any, tmp_path: Path):  # noqa: F811
    plan = reload(finished(), MANAGER).plan
    [refusal] = loader(tmp_path / "later").findings()
    assert refusal.level == "error"
    with promised({tmp_path / "later": plan}):
        [note] = loader(tmp_path / "later").findings()
        assert note.level == "note"
    assert [finding.level for finding in loader(tmp_path / "later").findings()] == ["error"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ResourceError, match="cannot be written") as error:
        made(tmp_path / "run" / "merged", lambda _: None, "--out ANOTHER")
    assert (error.value.where, error.value.fix) == (str(tmp_path / "run"), "--out ANOTHER")
