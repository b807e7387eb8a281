"""`judge`: what it asks a real server on this machine, what it makes of replies, and what it never shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import FtcoreError, ResourceError
from ftcore.manager import PluginManager
from ftcore.run.execute import execute, resume
from ftcore.run.resolve import resolve
from ftcore.run.rewards import RewardFunctions
from ftcore.run.runfile import RunFile
from ftcore.testing.runs import plan
from ftcore.types import Sample, Turn
from ftcore_plugins.judge.config import JudgeConfig
from ftcore_plugins.judge.memory import Memory
from ftcore_plugins.judge.question import score
from ftcore_plugins.judge.scorer import Judge
from tests.conftest import Terminal
from tests.plugins.judge_server import Asked, Reply, judging

MANAGER = PluginManager.discover()
KEY = "sk-Very/Secret-123"

CAPITAL = Sample("And of Italy?", "Rome", "It is {reference}.", (Turn("user", "And of Italy?"),))


def judge(asked: Asked, **settings: Any) -> Judge:
    return Judge(JudgeConfig(url=asked.url, model="wise", **{"backoff": 0, **settings}))


def answers(*texts: str) -> list[Sample]:
    return [Sample("Say something.", "", text, (Turn("user", "Say something."),)) for text in texts]


def by_length(question: str, _: int) -> Reply:
    """A judge that likes long answers: their length, up to ten."""
    answer = question.partition("<answer>\n")[2].partition("\n</answer>")[0]
    return Reply(json.dumps({"score": min(10, len(answer))}))


# What is asked, and what is read --------------------------------------------------------------------------------------


def test_the_judge_sees_the_conversation_and_the_answer_and_its_scale_becomes_0_to_1():
    conversation = (Turn("user", "Capital of France?"), Turn("assistant", "Paris"), Turn("user", "And of Italy?"))
    sample = Sample("And of Italy?", "Rome", "It is {reference}.", conversation)
    with judging(lambda *_: Reply('{"score": 4}')) as asked:
        assert judge(asked, lowest=1, highest=5, rubric="short.").scores([sample]) == [0.75]
    (question,), (sent,), (headers,) = asked.questions, asked.sent, asked.headers
    assert "user: Capital of France?\nassistant: Paris\nuser: And of Italy?" in question
    assert "<answer>\nIt is {reference}.\n</answer>" in question, "blanks in an answer are not filled in"
    assert "<reference>Rome</reference>" in question
    assert "A good answer is short." in question
    assert 'from 1 to 5? Reply with JSON only: {"score": NUMBER}' in question
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("wise", 0, 512)
    assert "Authorization" not in headers


def test_a_template_of_ones_own():
    with judging() as asked:
        judge(asked, template="{prompt} -> {answer}? {nothing}", temperature=None, max_tokens=None).scores([CAPITAL])
    assert asked.questions == ["And of Italy? -> It is {reference}.? {nothing}"]
    assert asked.sent[0].keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ('{"score": 7}', 7),
        ('Here: ```json\n{"reason": "2 of 3 {steps}", "score": "6.5"}\n```', 6.5),
        ('{"reason": {"a": 1}} {"score": 3}', 3),
        ('{"rating": 8}', 8),
        ("8/10, since 2 things are wrong", 8),
        ("Score: 10.", 10),
        ("<think>At first 3, no.</think>\n9", 9),
        ("0", 0),
    ],
)
def test_the_score_in_a_reply(reply: str, number: float):
    assert score(reply, JudgeConfig(url="", model="")) == number


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("I would rather not say.", "gave no score: 'I would rather not say.'"),
        ("", "gave no score: ''"),
        ('{"score": "good", "steps": 3}', "gave no score"),
        ('{"score": true}', "gave no score"),
        ('{"score": NaN}', "gave nan"),
        ('{"score": 11}', "gave 11, which is not from 0 to 10"),
        ("-1", "gave -1"),
        ("[" * 10_000 + '{"a":' * 5_000, "gave no score"),
        ("x" * 500, "x…'"),
    ],
)
def test_what_is_no_score(reply: str, said: str):
    with pytest.raises(ValueError, match="gave") as caught:
        score(reply, JudgeConfig(url="", model=""))
    assert said in str(caught.value)


# A judge that is busy, broken or gone ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=500, body="oops"),
        Reply(status=503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Reply(delay=0.5),
        Reply(body="<html>"),
        Reply(body='{"choices": []}'),
        Reply(body='{"choices": [{"message": {"content": null}}]}'),
        Reply("I cannot say"),
        Reply(body='{"choices": [{"mess', headers={"Content-Length": "9999"}),
    ],
    ids=["429", "500", "503", "timeout", "html", "no-choice", "no-text", "no-score", "cut-off"],
)
def test_it_is_asked_again(trouble: Reply):
    with judging(lambda _, before: trouble if before < 2 else Reply("9")) as asked:
        assert judge(asked, timeout=0.2, retries=2).scores([CAPITAL]) == [0.9]
        assert len(asked.questions) == 3


def test_it_waits_longer_each_time_and_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []
    monkeypatch.setattr("ftcore_plugins.judge.endpoint.time.sleep", waits.append)
    replies = [Reply(status=500)] * 3 + [Reply(status=429, headers={"Retry-After": s}) for s in ("20", "7200", "x")]
    with judging(lambda _, before: [*replies, Reply("1")][before]) as asked:
        judge(asked, backoff=1.5, retries=6).scores([CAPITAL])
    assert waits == [1.5, 3.0, 6.0, 20.0, 60.0, 48.0]


@pytest.mark.parametrize(
    ("reply", "said", "fix", "times"),
    [
        (Reply(status=429, body='{"error": "slow  down"}'), 'HTTP 429: {"error": "slow down"} (3 tries)', "retries", 3),
        (Reply(status=401, body="bad key"), "refused the question with HTTP 401: bad key", "api_key_env", 1),
        (Reply(status=404, body=""), "refused the question with HTTP 404", "model", 1),
        (Reply(status=400, body="no temperature"), "HTTP 400: no temperature", "url", 1),
        (Reply(status=302, headers={"Location": "/elsewhere"}), "HTTP 302", "url", 1),
        (Reply(delay=0.5), "gave no reply within 0.2 s (3 tries)", "timeout", 3),
        (Reply(body="<html>"), "sent what is no chat completion: '<html>' (3 tries)", "url", 3),
        (Reply("Nice try."), "gave no score: 'Nice try.' (3 tries)", "model", 3),
    ],
    ids=["429", "401", "404", "400", "302", "timeout", "html", "nonsense"],
)
def test_what_cannot_be_had_is_said_with_the_sample(reply: Reply, said: str, fix: str, times: int):
    with judging(lambda *_: reply) as asked, pytest.raises(ResourceError) as caught:
        judge(asked, timeout=0.2, retries=2).scores([CAPITAL])
    error = caught.value
    assert error.what == f"the judge {said}" or said in error.what
    assert error.where == asked.url
    assert error.more == ("prompt: 'And of Italy?'", "answer: 'It is {reference}.'")
    assert fix in str(error.fix)
    assert len(error.lines()) <= 6
    assert len(asked.questions) == times
    assert not any("elsewhere" in question for question in asked.questions), "the key goes to no other address"


def test_nobody_there():
    with judging() as asked:
        pass
    with pytest.raises(ResourceError, match=r"cannot be reached: .*refused"):
        judge(asked, retries=0).scores([CAPITAL])


def test_several_are_asked_at_once_and_none_more_than_that():
    with judging(lambda *_: Reply("1", delay=0.05)) as asked:
        judge(asked, concurrency=3).scores(answers(*"abcdefg"))
    assert asked.at_once == 3
    assert len(asked.questions) == 7


# What it remembers ----------------------------------------------------------------------------------------------------


def test_nothing_is_asked_twice(tmp_path: Path):
    with judging(by_length) as asked:
        for _ in range(2):
            one, other = judge(asked), judge(asked)
            for each in (one, other):
                each.remember(tmp_path)
            assert one.scores(answers("a", "bb", "a")) == [0.1, 0.2, 0.1]
            assert other.scores(answers("bb", "ccc")) == [0.2, 0.3]
        assert len(asked.questions) == 3
        stricter = judge(asked, rubric="perfect.")
        stricter.remember(tmp_path)
        stricter.scores(answers("a"))
        assert len(asked.questions) == 4, "another question is another question"
    entries = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    assert [entry["score"] for entry in sorted(entries, key=lambda entry: len(entry["answer"]))] == [1, 1, 2, 3]
    assert entries[0].keys() == {"prompt", "answer", "reply", "score", "key"}


def test_what_was_said_before_a_failure_is_kept(tmp_path: Path):
    def replies(question: str, before: int) -> Reply:
        return Reply(status=400) if "broken" in question and not before else Reply("5", delay=0.05)

    samples = answers("a", "b", "broken", *"cdefgh")
    with judging(replies) as asked:
        first = judge(asked, concurrency=3)
        first.remember(tmp_path)
        with pytest.raises(ResourceError):
            first.scores(samples)
        assert len(asked.questions) < len(samples), "after a failure no more are asked"
        again = judge(asked)
        again.remember(tmp_path)
        assert again.scores(samples) == [0.5] * len(samples)
        assert len(asked.questions) == len(samples) + 1


def test_a_torn_line_is_passed_over(tmp_path: Path):
    path = tmp_path / "judge.jsonl"
    path.write_text('{"key": "a", "score": 1}\n{"key": "b", "sco')
    memory = Memory(path)
    assert ("a" in memory, "b" in memory) == (True, False)
    memory.keep("c", 3.0, answer="\ud800 ü\u2028")
    again = Memory(path)
    assert [key in again for key in "abc"] == [True, False, True]
    assert again["c"] == 3


def test_a_run_that_goes_on_asks_nothing_twice(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with judging(by_length) as asked:
        more = {
            "rewards": {"name": "judge", "url": asked.url, "model": "wise", "api_key_env": "JUDGE_KEY"},
            "strategy": {"name": "grpo", "max_new_tokens": 4, "generations": 2},
            "evaluators": ["rewards"],
            "reporters": ["metrics", "html"],
            "method": "lora",
        }
        folder, _ = execute(plan(MANAGER, tiny, tmp_path, "prompt", more), MANAGER)
        count = len(asked.questions)
        assert count == len(set(asked.questions)) > 8
        assert {headers["Authorization"] for headers in asked.headers} == {f"Bearer {KEY}"}
        shutil.rmtree(folder / "checkpoints" / "step-000004")
        shutil.rmtree(folder / "model")
        (folder / "report.json").unlink()
        resume(folder, MANAGER)
        assert len(set(asked.questions)) == count
        assert len(asked.questions) == count
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {"run.yaml", "lock.json", "report.html", "judge.jsonl"} <= {path.name for path in written}
    assert not [path.name for path in written if KEY.encode() in path.read_bytes()]
    assert "api_key_env: JUDGE_KEY" in (folder / "run.yaml").read_text()


def test_what_was_paid_for_outlives_a_failure_in_training(tiny: Path, tmp_path: Path):
    asked_for: list[str] = []
    failing = True

    def replies(question: str, before: int) -> Reply:
        asked_for.append(question)
        return Reply(status=401) if failing and len(asked_for) > 6 else by_length(question, before)

    with judging(replies) as asked:
        more = {
            "rewards": {"name": "judge", "url": asked.url, "model": "wise", "concurrency": 1},
            "strategy": {"name": "grpo", "max_new_tokens": 4, "generations": 2},
            "evaluators": ["rewards"],
        }
        with pytest.raises(ResourceError) as caught:
            execute(plan(MANAGER, tiny, tmp_path, "prompt", more), MANAGER)
        [remembered] = tmp_path.rglob("judge.jsonl")
        assert not (remembered.parent / "checkpoints").exists()
        assert str(caught.value.fix).endswith(f"or go on: ftcore resume {remembered.parent}")
        failing, kept = False, remembered.read_text()
        resume(remembered.parent, MANAGER)
        assert remembered.read_text().startswith(kept)
        assert max(map(asked.questions.count, asked.questions)) <= 2, "only what failed is asked again"
        assert not {*asked.questions[:6]} & {*asked.questions[6:]}


# The key --------------------------------------------------------------------------------------------------------------


def test_a_server_that_quotes_the_key_is_not_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("JUDGE_KEY", f" {KEY}\n")
    refusal = Reply(status=401, body=f"Incorrect API key: {KEY}.")
    with judging(lambda *_: refusal) as asked, pytest.raises(ResourceError) as caught:
        judge(asked, api_key_env="JUDGE_KEY").scores([CAPITAL])
    assert "Incorrect API key: [key]." in caught.value.what
    with judging(lambda *_: Reply(f"7 {KEY}")) as asked:
        one = judge(asked, api_key_env="JUDGE_KEY")
        one.remember(tmp_path)
        one.scores([CAPITAL])
    assert KEY not in (tmp_path / "judge.jsonl").read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"api_key_env": KEY}, "not the name of an environment variable"),
        ({"api_key_env": "UNSET"}, "the environment variable UNSET is not set"),
        ({"api_key_env": "BROKEN"}, "spaces or letters that no key has"),
        ({"url": f"https://me:{KEY}@judge.example/v1"}, "an address alone"),
        ({"url": f"https://judge.example/v1?key={KEY}"}, "an address alone"),
        ({"url": "file:///etc/passwd"}, "no address of the form"),
        ({"url": "judge.example/v1"}, "no address of the form"),
        ({"template": "How good?"}, "would not see what it judges"),
        ({"lowest": 10}, "the lowest score 10 is not below it"),
        ({"api_key": KEY}, "did you mean 'api_key_env'?"),
    ],
)
def test_what_cannot_be_is_refused_on_the_plan_and_no_key_is_shown(
    ftcore: Terminal, tiny: Path, rows: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
):
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.setenv("BROKEN", f"{KEY} {KEY}")
    values = {"model": str(tiny), "data": str(rows), "method": "lora", "backend": "cpu",
              "rewards": {"name": "judge", "url": "http://127.0.0.1:9/v1", "model": "wise", **settings}}  # fmt: skip
    Path("run.yaml").write_text(json.dumps(values))
    done = ftcore("run", "run.yaml", "--out", "run")
    assert done.code == 2
    assert said in done.err
    assert KEY not in done.err + done.out
    assert not Path("run").exists()


def test_the_plan_says_who_reads_along(ftcore: Terminal, tiny: Path, rows: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    line = [
        "plan",
        "--model",
        tiny,
        "--data",
        rows,
        "--method",
        "lora",
        "--rewards",
        "judge",
        "--rewards.model",
        "wise",
    ]
    far = ftcore(*line, "--rewards.url", "http://judge.example/v1", "--rewards.api_key_env", "JUDGE_KEY")
    assert "are sent to judge.example" in far.out
    assert "in the open" in far.out
    assert "are sent to" not in ftcore(*line, "--rewards.url", "http://localhost:8000/v1").out


def test_it_is_built_only_with_its_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("UNSET", raising=False)
    entry = {"name": "judge", "url": "http://127.0.0.1:9/v1", "model": "wise", "api_key_env": "UNSET"}
    chosen = resolve(MANAGER, RunFile(values={"method": "lora", "backend": "cpu", "rewards": entry}), {}).rewards
    with pytest.raises(FtcoreError, match="UNSET is not set"):
        RewardFunctions(chosen)
