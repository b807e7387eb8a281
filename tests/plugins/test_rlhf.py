"""`ftcore rlhf`: stages that build on each other, planned together, killed and gone on with."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftcore.errors import UsageError
from ftcore.run.exclusive import lock
from ftcore_plugins.jobs.job import Job
from ftcore_plugins.rlhf import pipeline
from ftcore_plugins.rlhf.pipeline import laid_over
from ftcore_plugins.rlhf.plans import dump, planned
from ftcore_plugins.rlhf.training import _must_be_the_first
from tests.conftest import Terminal, echo_rows, write_rows
from tests.plugins.html_page import Page

SHARED = """
model: {tiny}
method: {{name: lora, rank: 2, dropout: 0}}
backend: {{name: cpu, precision: fp32}}
train: {{steps: 2, batch_size: 4, max_length: 256}}
evaluate: {{holdout: 4, generate: 2, max_new_tokens: 4}}
reporters: metrics
"""
STAGES = """
stages:
  sft: {data: sft.jsonl}
  reward: {data: pairs.jsonl}
  ppo: {data: prompts.jsonl, strategy: {max_new_tokens: 4, passes: 1}}
"""


@pytest.fixture
def write(ftcore: Terminal, tmp_path: Path, tiny: Path) -> Any:
    """A pipeline's file and the rows that it names; gives the file."""
    said = [(row["prompt"], row["completion"]) for row in echo_rows(12)]
    write_rows(tmp_path / "sft.jsonl", echo_rows(12))
    write_rows(tmp_path / "pairs.jsonl", [{"prompt": p, "chosen": a, "rejected": f"no {p}"} for p, a in said])
    write_rows(tmp_path / "prompts.jsonl", [{"prompt": prompt} for prompt, _ in said])

    def write(stages: str = STAGES, more: str = "") -> Path:
        path = tmp_path / "all.yaml"
        path.write_text(SHARED.format(tiny=tiny) + more + stages, encoding="utf-8")
        return path

    return write


def plans(path: Path | None, **shared: Any) -> dict[str, Job]:
    return {job.name: job for job in planned(pipeline.read(path, shared), Path("out"))}


# What a stage builds on -----------------------------------------------------------------------------------------------


def test_stages_begin_from_the_last_language_model_and_ask_the_last_judge(write: Any):
    jobs = plans(write())
    assert [job.folder.as_posix() for job in jobs.values()] == ["out/1-sft", "out/2-reward", "out/3-ppo"]
    assert jobs["sft"].plan.model.spec.name == "folder"
    for name in ("reward", "ppo"):
        assert jobs[name].plan.model.dump() == {"name": "run", "path": "out/1-sft"}
    [reward] = jobs["ppo"].plan.rewards
    assert (reward.function.spec.name, reward.function.settings.run) == ("model", "out/2-reward")
    assert not jobs["reward"].plan.rewards


def test_a_stage_may_name_what_it_builds_on(write: Any, tiny: Path):
    stages = f"""
stages:
  sft: {{data: sft.jsonl}}
  fresh: {{strategy: sft, data: sft.jsonl, model: {tiny}}}
  judge: {{strategy: reward, data: pairs.jsonl, model: sft}}
  second: {{strategy: reward, data: pairs.jsonl}}
  ppo: {{data: prompts.jsonl, rewards: [{{name: model, run: judge, weight: 2}}, {{name: length, target: 3}}]}}
  plain: {{strategy: grpo, data: prompts.jsonl, model: sft, rewards: {{name: length, target: 3}}}}
"""
    jobs = plans(write(stages))
    begins = {name: job.plan.model.dump()["path"] for name, job in jobs.items() if name not in ("sft", "fresh")}
    assert begins == {"judge": "out/1-sft", "second": "out/2-fresh", "ppo": "out/2-fresh", "plain": "out/1-sft"}
    assert jobs["fresh"].plan.model.spec.name == "folder"
    assert [entry.dump()["name"] for entry in jobs["ppo"].plan.rewards] == ["model", "length"]
    assert jobs["ppo"].plan.rewards[0].function.settings.run == "out/3-judge"
    assert [entry.function.spec.name for entry in jobs["plain"].plan.rewards] == ["length"]


def test_what_a_stage_says_goes_over_what_all_share(write: Any):
    stages = STAGES.replace("reward: {", "reward: {method: {rank: 4}, train: {steps: 3}, ")
    jobs = plans(write(stages))
    assert [job.plan.method.settings.rank for job in jobs.values()] == [2, 4, 2]
    assert [job.plan.train.steps for job in jobs.values()] == [2, 3, 2]
    assert {job.plan.train.batch_size for job in jobs.values()} == {4}
    assert {job.plan.method.spec.name for job in plans(write(), method="full").values()} == {"full"}


@pytest.mark.parametrize(
    ("under", "over", "both"),
    [
        ({"method": "lora"}, {"method": {"rank": 4}}, {"method": {"name": "lora", "rank": 4}}),
        ({"method": {"name": "lora", "rank": 2}}, {"method": {"name": "full"}}, {"method": {"name": "full"}}),
        ({"method": {"name": "lora", "rank": 2}}, {"method": "full"}, {"method": "full"}),
        ({"data": ["a"]}, {"data": ["b"]}, {"data": ["b"]}),
        ({"train": {"steps": 1}}, {"train": {"seed": 2}}, {"train": {"steps": 1, "seed": 2}}),
    ],
)
def test_one_group_of_keys_over_another(under: Any, over: Any, both: Any):
    assert laid_over(under, over) == both


def test_the_complete_file_gives_the_same_stages_wherever_they_go(write: Any, tmp_path: Path):
    jobs = list(plans(write()).values())
    written = dump(jobs, None)
    assert written["stages"]["ppo"]["model"] == "sft"
    assert written["stages"]["ppo"]["rewards"][0]["run"] == "reward"
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    again = plans(tmp_path / "again.yaml")
    assert [job.values for job in again.values()] == [job.values for job in jobs]


def test_the_demo_is_a_whole_pipeline():
    jobs = plans(None, model="demo", backend="cpu")
    assert [job.plan.strategy.spec.name for job in jobs.values()] == ["sft", "reward", "ppo"]
    assert [job.plan.rows.train for job in jobs.values()] == [160, 240, 320]


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said", "fix"),
    [
        ("passes: 1", "pases: 1", "all.yaml:12:67: stage ppo: there is no setting 'strategy.pases'", "passes: 1"),
        ("  ppo: {", "  ppo: {method: lroa, ", "stage ppo: there is no tuning method 'lroa'", "ppo: {method: lora}"),
        ("  reward: {", "  reward: {method: prompt-tuning, ", "stage reward: the strategy 'reward' puts a new head",
         "reward: {method: "),
        ("prompts.jsonl", "pairs.jsonl", "pairs.jsonl: stage ppo: the strategy 'ppo' learns from",
         "ppo: {data: FILE}"),
        ("reward: {data: pairs.jsonl}", "reward: {}", "demo: stage reward: it names no data, so takes the demo's: the",
         "reward: {data: FILE}"),
        ("  ppo: {", "  ppo: {minibatches: 9, ", "all.yaml:12:22: 'minibatches' is no key", "ftcore rlhf --help"),
        ("  ppo: {", "  ppo: {out: x, ", "'out' is the whole pipeline's", "out outside of stages"),
        ("  sft: {", "  sft: {model: ppo, ", "the stage 'ppo' does not come before 'sft'", "put ppo before sft"),
        ("  ppo: {", "  ppo: {rewards: {name: model, run: ppo}, ", "the stage 'ppo' does not come before 'ppo'", ""),
        ("  reward: {data: pairs.jsonl}\n", "", "stage ppo: the strategy 'ppo' learns from rewards",
         "ppo: {rewards: NAME}"),
        ("  ppo: {", "  ppo: {model: reward, ", "all.yaml:12:16: stage ppo: the model of 'reward' scores answers and w",
         "model: sft"),
        ("  ppo: {", "  ppo: {rewards: {name: model, run: judge}, ", "stage ppo: there is no stage 'judge', nor a run\n"
         "  stages before ppo: sft, reward", "run: reward"),
        ("  ppo: {", "  ppo: {rewards: {name: model, run: sft}, ", "the stage 'sft' gives no scores", "run: reward"),
        ("stages:", "checkpoints: {evry: 2}\nstages:", "all.yaml:9:21: all stages: there is no setting 'checkpoints.",
         "every: 2"),
        ("  sft: {", "  sft: {train: {micro_batch_size: 3}, ", "all.yaml:10:8: stage sft: train.micro_batch_size 3 doe",
         "sft: {train: {micro_batch_size: 1}}"),
        ("  sft: {", "  sft: {method: prompt-tuning, ", "stage reward: out/1-sft: what the method 'prompt-",
         ""),
        ("  sft:", "  a/b:", "the name of a stage is also that of its folder", "stages: {sft: …}"),
        ("stages:", "stagse:", "there is no key 'stagse' (did you mean 'stages'?)", "stages: …"),
        (STAGES, "", "a pipeline has stages, and this file names none", "ftcore run "),
        (STAGES, "stages: 3\n", "stages are names, each with its keys", ""),
    ],
)  # fmt: skip
def test_a_mistake_in_any_stage_is_told_before_the_first_begins(
    write: Any, ftcore: Terminal, old: str, new: str, said: str, fix: str
):
    path = write(STAGES.replace(old, new))
    refused = ftcore("rlhf", path.name, "--out", "out")
    assert refused.code in (2, 3, 4), refused.err
    assert said in refused.err
    assert fix in refused.err.partition("try: ")[2]
    assert not Path("out").exists()


def test_planning_imports_no_torch(write: Any, shell: Terminal):
    write()
    code = "import sys; from ftcore.cli.main import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    line = [sys.executable, "-c", code, "rlhf", "all.yaml", "--plan"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "2-reward" in done.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--until", "rewards"), "there is no stage 'rewards' (did you mean 'reward'?)"),
        (("--out", "mine"), "the folder is not empty, and holds no pipeline.yaml"),
        (
            ("--train.steps", "1"),
            "--train.steps stands in the file, for all stages or for one\n"
            "  try: in the file, above stages or in one: train: {steps: 1}\n",
        ),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(write: Any, ftcore: Terminal, line: Any, said: str):
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    refused = ftcore("rlhf", write().name, *line)
    assert refused.code == 2
    assert said in refused.err


def test_a_folder_without_a_pipeline_is_refused(ftcore: Terminal):
    Path("empty").mkdir()
    assert "there is no pipeline in this folder" in ftcore("rlhf", "empty").err
    Path("one").mkdir()
    Path("one/run.yaml").touch()
    assert ftcore("rlhf", "one").err.endswith("a run, not of a pipeline\n  try: ftcore resume one\n")
    Path("shop.yaml").touch()
    assert ftcore("rlhf", "shpo.yaml").err.endswith("(did you mean 'shop.yaml'?)\n  try: ftcore rlhf shop.yaml\n")
    assert "  try: write one: stages: {sft: " in ftcore("rlhf", "nothing.yaml").err
    assert "not the folder of a run" in ftcore("resume", "empty").err


def test_the_strategy_that_people_look_for_is_a_command(ftcore: Terminal):
    refused = ftcore("run", "--strategy", "rlhf")
    assert refused.err == "error: rlhf is a command, not an alignment strategy\n  try: ftcore rlhf\n"


def test_a_stage_that_was_begun_on_another_result_is_not_kept(write: Any):
    jobs = list(plans(write()).values())
    _must_be_the_first([], jobs)
    jobs[1].folder.mkdir(parents=True)
    (jobs[1].folder / "run.yaml").write_text(yaml.safe_dump(jobs[1].values))
    _must_be_the_first(jobs[:1], jobs)
    with pytest.raises(UsageError, match="'reward' was begun on another result of 'sft'"):
        _must_be_the_first([], jobs)


def test_folders_of_no_stage_are_refused_and_the_old_file_is_kept(write: Any, ftcore: Terminal):
    for name in ("1-sft", "2-judge", "mine"):
        (Path("out") / name).mkdir(parents=True)
    for file in ("2-judge/run.yaml", "2-judge.yaml", "mine/run.yaml"):
        (Path("out") / file).touch()
    Path("out/pipeline.yaml").write_text("as it was")
    refused = ftcore("rlhf", write().name, "--out", "out")
    assert refused.code == 2
    assert refused.err.splitlines() == [
        "error: out: the folder holds 2-judge, which belongs to no stage of the file",
        "  the stages now: 1-sft, 2-reward, 3-ppo",
        "  try: --out ANOTHER/FOLDER, or: rm -r out/2-judge",
    ]
    assert Path("out/pipeline.yaml").read_text() == "as it was"


def test_a_file_with_stages_is_not_for_run(write: Any, ftcore: Terminal):
    refused = ftcore("run", write().name)
    assert refused.code == 2
    assert refused.err.endswith("this is a file for `ftcore rlhf`, not a run file\n  try: ftcore rlhf all.yaml\n")


# The whole program ----------------------------------------------------------------------------------------------------

STOP = """
import os, signal
from ftcore import hookimpl

stages = []

@hookimpl
def ftcore_before_run(event):
    stages.append(event.folder.name)

@hookimpl
def ftcore_after_step(event):
    if stages == ["2-reward"] and event.step == 1:  # a second signal would end the run at once
        os.kill(os.getpid(), signal.SIGINT)
"""


def test_killed_between_two_stages_then_stopped_within_one_then_finished(write: Any, ftcore: Terminal, tmp_path: Path):
    path = write()
    killed = subprocess.Popen(
        [sys.executable, "-m", "ftcore", "rlhf", path.name, "--out", "out"], stderr=subprocess.DEVNULL
    )
    first = tmp_path / "out" / "1-sft" / "report.json"
    until = time.monotonic() + 300
    while not first.is_file() and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    written = first.stat().st_mtime_ns
    assert not (tmp_path / "out" / "pipeline.json").exists()

    assert ftcore("rlhf", path.name, "--out", "out", "--until", "sft").out.endswith(
        "go on with reward: ftcore rlhf out\n"
    )

    Path("stop.py").write_text(STOP)
    stopped = ftcore("rlhf", path.name, "--out", "out", "--plugin", "stop.py")
    assert stopped.code == 130, stopped.err
    assert "kept: sft" in stopped.err
    assert "try: ftcore --plugin stop.py rlhf out" in stopped.err

    done = ftcore("resume", "out")
    assert done.code == 0, done.err
    assert first.stat().st_mtime_ns == written
    reports = [json.loads((tmp_path / "out" / name / "report.json").read_text()) for name in ("2-reward", "3-ppo")]
    assert [report["facts"]["start_step"] > 0 for report in reports] == [True, False]
    lines = [re.split(r"\s{2,}", line.strip()) for line in done.out.splitlines()]
    assert [line[:2] for line in lines if line[0] in ("sft", "reward", "ppo")] == [
        ["sft", "folder"], ["reward", "sft"], ["ppo", "sft"]
    ]  # fmt: skip
    assert "talk to it: ftcore chat out/3-ppo" in done.out

    again = ftcore("rlhf", "out", "--json")
    assert [stage["name"] for stage in again.json["stages"]] == ["sft", "reward", "ppo"]
    assert again.json == json.loads((tmp_path / "out" / "pipeline.json").read_text())
    page = Page((tmp_path / "out" / "pipeline.html").read_text())
    assert page.crossed == page.open == []
    changed = ftcore("rlhf", write(STAGES.replace("{data: sft", "{train: {steps: 3}, data: sft")).name, "--out", "out")
    assert changed.code == 2
    assert "train.steps is 2 for the run there, 3 for this line" in changed.err


def test_a_stage_that_fails_says_so_as_its_run_did(write: Any, ftcore: Terminal):
    short = STAGES.replace("{data: sft.jsonl}", "{data: sft.jsonl, train: {max_length: 8}}")
    failed = ftcore("rlhf", write(short).name, "--out", "out")
    assert failed.code == 3
    assert "stage sft: nothing would be learned from this source" in failed.err
    assert "what is finished is kept: afterwards ftcore rlhf out" in failed.err
    assert "try: sft: {train: {max_length: " in failed.err


def test_a_process_that_outlived_us_is_known_by_its_log(tmp_path: Path):
    pytest.importorskip("fcntl")
    with (tmp_path / "log").open("ab") as log:
        assert lock(log)
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=log)
    with (tmp_path / "log").open("ab") as log:
        assert not lock(log)
        child.communicate(b"\n")
        assert lock(log)
