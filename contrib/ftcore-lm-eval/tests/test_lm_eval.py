"""The harness gives the numbers of the model in memory, leaves it as it was, and is refused early what it cannot do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from ftcore.errors import Interrupted, ResourceError, UsageError
from ftcore.run.session import Session
from ftcore.testing.evaluators import EvaluatorContract
from ftcore.testing.runs import plan
from ftcore.testing.tiny import save_tiny
from ftcore_lm_eval import tasks
from ftcore_lm_eval.config import LmEvalConfig
from ftcore_lm_eval.evaluator import LmEval, as_evaluation

sys.path.insert(0, str(Path(__file__).parent))
from local_tasks import QUESTIONS, write_tasks


class TestLmEval(EvaluatorContract):
    """The contract, and what needs the session that it makes."""

    name = "lm-eval"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        cls.settings = {
            "tasks": ["local_colours", "local_sums"],
            "include_path": str(write_tasks(folder)),
            "batch_size": 2,
        }

    def test_it_gives_the_accuracy_of_the_model_in_memory(self, ready: Session):
        """Counted anew: the choice whose tokens are the likeliest, all of them together."""
        found = self.build().evaluate(ready)
        assert found.metrics["local_colours/acc"] == pytest.approx(_accuracy(ready))
        assert found.metrics.keys() == {"local_colours/acc", "local_sums/exact_match"}
        assert found.better == dict.fromkeys(found.metrics, "up")
        assert set(found.percent) == found.metrics.keys()

    def test_it_sees_what_training_changes(self, ready: Session):
        """With the vectors of the tokens exchanged until it likes other answers, it has another accuracy."""
        head = ready.model.get_output_embeddings().weight
        kept, before = head.data.clone(), _accuracy(ready)
        for _ in range(100):
            head.data.copy_(head.data.roll(1, 0))
            if _accuracy(ready) != before:
                break
        found = LmEval(LmEvalConfig(**{**self.settings, "tasks": ["local_colours"]})).evaluate(ready)
        expected = _accuracy(ready)
        head.data.copy_(kept)
        assert found.metrics["local_colours/acc"] == pytest.approx(expected)
        assert expected != before

    def test_only_so_many_questions_are_asked(self, ready: Session):
        first = LmEval(LmEvalConfig(**{**self.settings, "tasks": ["local_colours"], "limit": 1}))
        assert first.evaluate(ready).metrics["local_colours/acc"] == float(_likeliest(ready, QUESTIONS[0]) == 0)

    def test_the_chat_template_is_used_on_request(self, ready: Session, monkeypatch: pytest.MonkeyPatch):
        asked: list[str] = []

        def render(_: Any, turns: list[dict[str, str]], **__: Any) -> str:
            asked.append(turns[0]["content"])
            return "?"

        monkeypatch.setattr(type(ready.tokenizer), "apply_chat_template", render)
        LmEval(LmEvalConfig(**self.settings, chat=True)).evaluate(ready)
        assert "The sky is" in asked

    def test_a_signal_stops_it_between_two_batches(self, ready: Session):
        ready.stop_signal = 15
        try:
            with pytest.raises(Interrupted):
                self.build().evaluate(ready)
        finally:
            ready.stop_signal = None

    def test_questions_that_cannot_be_fetched_are_named(self, ready: Session, tmp_path: Path):
        (tmp_path / "far.yaml").write_text("task: far\ndataset_path: nobody/nothing\noutput_type: multiple_choice\n")
        with pytest.raises(ResourceError, match="the questions of far cannot be had"):
            LmEval(LmEvalConfig(tasks=["far"], include_path=str(tmp_path))).evaluate(ready)

    def test_an_unknown_task_is_refused_on_the_plan(
        self, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        own = tasks.manager(LmEvalConfig(**self.settings))
        monkeypatch.setattr(tasks, "_manager", lambda *_, **__: own)  # the harness's 15,000 take seconds to list
        entry = {"name": "lm-eval", **self.settings, "tasks": ["local_colors"]}
        with pytest.raises(UsageError, match="did you mean 'local_colours'"):
            plan(self.manager(), base_folder, tmp_path, more={"evaluators": [entry]})


def _accuracy(session: Session) -> float:
    return sum(_likeliest(session, row) == row["answer"] for row in QUESTIONS) / len(QUESTIONS)


def _likeliest(session: Session, row: dict[str, Any]) -> int:
    tokenizer, model = session.tokenizer, session.model.eval()
    context = tokenizer(row["question"], add_special_tokens=False)["input_ids"]
    scores = []
    for choice in row["choices"]:
        answer = tokenizer(f" {choice}", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([context + answer])).logits[0, len(context) - 1 : -1]
        scores.append(-functional.cross_entropy(logits.float(), torch.tensor(answer), reduction="sum"))
    model.train()
    return int(torch.stack(scores).argmax())


def test_a_group_stands_for_its_parts_and_directions_are_the_harness_own():
    found = as_evaluation(
        {
            "results": {
                "mmlu": {"alias": "mmlu", "acc,none": 0.4, "acc_stderr,none": "N/A"},
                "mmlu_stem": {"acc,none": 0.3},
                "mmlu_physics": {"acc,none": 0.2, "sample_len": 7},
                "tagged": {"alias": "tagged"},
                "wikitext": {"word_perplexity,none": 21.0, "bits_per_byte,none": float("inf")},
                "gsm8k": {"exact_match,strict-match": 0.1, "exact_match,flexible-extract": 0.2},
            },
            "group_subtasks": {"mmlu": ["mmlu_stem"], "mmlu_stem": ["mmlu_physics"], "tagged": ["wikitext"]},
            "higher_is_better": {
                "mmlu": {"acc": True},
                "wikitext": {"word_perplexity": False},
                "gsm8k": {"exact_match": True},
            },
        }
    )
    assert found.metrics == {
        "mmlu/acc": 0.4,
        "wikitext/word_perplexity": 21.0,
        "gsm8k/exact_match/strict-match": 0.1,
        "gsm8k/exact_match/flexible-extract": 0.2,
    }
    assert found.better["wikitext/word_perplexity"] == "down"
    assert "wikitext/word_perplexity" not in found.percent
    assert "gsm8k/exact_match/strict-match" in found.percent


def test_a_folder_that_is_not_there_is_named():
    (finding,) = tasks.findings(LmEvalConfig(tasks=["far"], include_path="nowhere"))
    assert "no folder nowhere" in finding.message


def test_a_run_reports_benchmarks_without_held_out_rows(tmp_path: Path):
    save_tiny(tmp_path / "tiny")
    (tmp_path / "tasks").mkdir()
    write_tasks(tmp_path / "tasks")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "hi", "completion": "ho"}\n' * 4)
    command = "run --model tiny --data rows.jsonl --train.steps 1 --evaluate.holdout 0 --out run --evaluators lm-eval"
    settings = "--evaluators.tasks local_colours,local_sums --evaluators.include_path tasks"
    done = subprocess.run(
        [sys.executable, "-m", "ftcore", *command.split(), *settings.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["after"]["lm-eval"].keys() == {"local_colours/acc", "local_sums/exact_match"}
    assert report["better"]["lm-eval"]["local_colours/acc"] == "up"
    assert report["judged"]["lm-eval"] == 0
    assert "held-out" not in done.stderr.split("after training")[-1]
