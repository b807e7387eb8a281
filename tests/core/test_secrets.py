"""A file does not decide who gets the value of an environment variable; whoever types the line does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from ftcore.run.secrets import _is_here
from tests.cli.refusals import snapshot
from tests.conftest import Terminal
from tests.plugins.judge_server import Reply, judging

FAR = "https://judge.example/v1"
VARIABLE = "AWS_SECRET_ACCESS_KEY"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, "canary-123")
    return "canary-123"


def run_file(folder: Path, tiny: Path, url: str = FAR, name: str = "run.yaml", **more: object) -> Path:
    folder.mkdir(exist_ok=True)
    judge = {"name": "judge", "url": url, "model": "wise", "api_key_env": VARIABLE, "backoff": 0, "retries": 0}
    values = {
        "model": str(tiny), "data": str(folder / "rows.jsonl"), "rewards": [judge], "evaluators": ["rewards"],
        "train": {"steps": 1}, "evaluate": {"generate": 1, "max_new_tokens": 2}, **more,
    }  # fmt: skip
    (folder / name).write_text(json.dumps(values))  # JSON is YAML
    return folder / name


def test_a_variable_that_a_file_sends_elsewhere_is_refused(ftcore: Terminal, tiny: Path, rows: Path, secret: str):
    path = run_file(rows.parent, tiny)
    for command in ("run", "plan"):
        refused = ftcore(command, path)
        assert refused.code == 8, refused.err
        assert f"{path}: the file says to send the value of ${VARIABLE} to judge.example" in refused.err
        assert refused.err.endswith(f"  try: the same line with --allow-env {VARIABLE}\n")
        assert secret not in refused.err + refused.out


def test_to_resume_a_folder_with_nothing_but_a_run_file_is_no_way_around(ftcore: Terminal, tiny: Path, rows: Path):
    run_file(rows.parent / "received", tiny, data=str(rows))
    before = snapshot(rows.parent)
    refused = ftcore("resume", "received")
    assert refused.code == 8, refused.err
    assert f"to send the value of ${VARIABLE} to judge.example" in refused.err
    assert snapshot(rows.parent) == before


@pytest.mark.parametrize("agreed", [["--allow-env", VARIABLE], ["--rewards.api_key_env", VARIABLE]])
def test_named_on_the_line_it_may_go_and_the_plan_says_where(ftcore: Terminal, tiny: Path, rows: Path, agreed: list):
    planned = ftcore("plan", run_file(rows.parent, tiny), *agreed)
    assert planned.code == 0, planned.err
    assert f"note: the value of ${VARIABLE} is sent to judge.example" in planned.out


def test_all_typed_on_the_line_nothing_is_asked(ftcore: Terminal, tiny: Path, rows: Path):
    line = f"plan --model {tiny} --data {rows} --rewards judge --rewards.url {FAR} --rewards.model wise"
    planned = ftcore(*line.split(), "--rewards.api_key_env", VARIABLE, "--evaluators", "rewards")
    assert planned.code == 0, planned.err
    assert f"note: the value of ${VARIABLE} is sent to judge.example" in planned.out


def test_a_variable_of_the_line_goes_nowhere_that_only_a_file_names(ftcore: Terminal, tiny: Path, rows: Path):
    """Another name on the line does not agree to the one in the file."""
    refused = ftcore("run", run_file(rows.parent, tiny), "--allow-env", "JUDGE_KEY")
    assert refused.code == 8


def test_on_this_machine_it_is_sent_and_said(ftcore: Terminal, tiny: Path, rows: Path, secret: str):
    with judging(lambda *_: Reply()) as asked:
        done = ftcore("run", run_file(rows.parent, tiny, url=asked.url), "--out", "out")
    assert done.code == 0, done.err
    assert {headers["Authorization"] for headers in asked.headers} == {f"Bearer {secret}"}
    assert f"the value of ${VARIABLE} is sent to 127.0.0.1" in done.err
    assert not [path for path in Path("out").rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_pipeline_and_its_stages_ask_once(ftcore: Terminal, tiny: Path, rows: Path):
    stage = json.loads(run_file(rows.parent, tiny).read_text())
    shared = {key: stage.pop(key) for key in ("model", "data")}
    (rows.parent / "all.yaml").write_text(json.dumps({**shared, "stages": {"sft": stage}}))
    refused = ftcore("rlhf", "all.yaml", "--plan")
    assert refused.code == 8, refused.err
    assert ftcore("rlhf", "all.yaml", "--plan", "--allow-env", VARIABLE).code == 0


def test_the_jobs_of_a_command_may_what_the_command_may(tiny: Path, rows: Path):
    from ftcore.manager import PluginManager
    from ftcore_plugins.jobs.job import Job
    from ftcore_plugins.jobs.processes import _agreed

    values = json.loads(run_file(rows.parent, tiny).read_text())
    job = Job("one", rows.parent / "one", resolve(PluginManager.discover(), RunFile(values=values), {}))
    assert _agreed(job) == ["--allow-env", VARIABLE]


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False),
     ("127.1", False), ("localhost.evil.example", False), ("10.0.0.1", False), ("judge.example", False)],
)  # fmt: skip
def test_what_counts_as_this_machine(host: str, is_here: bool):
    assert _is_here(host) is is_here
