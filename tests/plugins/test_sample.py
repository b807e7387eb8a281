"""`ftcore sample`: answers of finished runs to prompts, in the rows that `ftcore label` reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Terminal, write_rows


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows = [{"instruction": "say", "input": f"word {n}", "output": f"word {n}"} for n in range(3)]
    return write_rows(tmp_path / "prompts.jsonl", rows)


def test_two_runs_answer_the_same_way_again_and_meet_in_blind_pairs(
    ftcore: Terminal, tmp_path: Path, tiny: Path, rows: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
):
    for seed, name in enumerate(("one", "two")):
        line = ["run", "--model", tiny, "--data", rows, "--method", "lora", "--evaluators", "none", "--out", name]
        assert ftcore(*line, "--train.steps", 1, "--train.learning_rate", 0.1, "--train.seed", seed).code == 0
    line = ["sample", "one", "two", "--data", prompts, "--n", 2, "--max-new-tokens", 4]
    made = ftcore(*line, "--out", "first.jsonl")
    assert made.code == 0, made.err
    assert "3 prompts with 4 answers each" in made.out
    assert ftcore(*line, "--out", "again.jsonl", "--limit", 3).code == 0
    text = (tmp_path / "first.jsonl").read_text()
    assert (tmp_path / "again.jsonl").read_text() == text
    found = [json.loads(line) for line in text.splitlines()]
    assert [row["prompt"][0]["content"] for row in found] == [f"say\n\nword {n}" for n in range(3)]
    assert [row["reference"] for row in found] == [f"word {n}" for n in range(3)]
    assert [[each["by"] for each in row["completions"]] for row in found] == [["one", "one", "two", "two"]] * 3
    assert len({each["text"] for row in found for each in row["completions"]}) > 3, "they are drawn at random"

    monkeypatch.setattr("ftcore_plugins.label.server.serve", lambda *_: None)
    begun = ftcore("label", "blind", "--data", "first.jsonl")
    assert "pairs, 6 items" in begun.out, begun.err

    greedy = ["sample", "one", "--data", prompts, "--n", 1, "--temperature", 0, "--max-new-tokens", 4, "--seed"]
    assert [ftcore(*greedy, seed, "--out", f"{seed}.jsonl").code for seed in (1, 2)] == [0, 0]
    assert (tmp_path / "1.jsonl").read_text() == (tmp_path / "2.jsonl").read_text()


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["nothing"], 2, "nothing: there is no such folder"),
        (["a", "b", "c"], 2, "one run answers, or two"),
        (["a", "a"], 2, "the same run is named twice"),
        (["a", "--temperature", "0"], 2, "all answers are the same"),
        (["a", "--out", "no/x.jsonl"], 2, "there is no such folder"),
        (["a", "--out", "prompts.jsonl"], 2, "the file is there already"),
    ],
)
def test_what_cannot_be_answered_is_refused_before_anything_loads(
    ftcore: Terminal, prompts: Path, line: list[str], code: int, said: str
):
    refused = ftcore("sample", "--data", prompts, "--out", "x.jsonl", *line)
    assert refused.code == code
    assert said in refused.err


def test_it_asks_for_data(ftcore: Terminal):
    assert "try: --data FILE" in ftcore("sample", "a", "--out", "x.jsonl").err
