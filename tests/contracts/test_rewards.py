"""Every built-in reward function keeps the contract of reward functions."""

# ruff: noqa: RUF012 - settings are read, never changed

from pathlib import Path

from ftcore.testing.rewards import RewardContract
from ftcore.testing.tiny import save_tiny
from ftcore.types import Sample
from tests.plugins.judge_server import Reply, serve


def answers(better: str, worse: str, reference: str = "") -> tuple[Sample, Sample]:
    return Sample("?", reference, better), Sample("?", reference, worse)


class TestExact(RewardContract):
    name = "exact"
    better_first = [answers(" 4\n", "four", "4"), answers("Ja", "ja", "Ja")]


class TestExactInAnyCase(RewardContract):
    name = "exact"
    settings = {"ignore_case": True}
    better_first = [answers("STRASSE", "Strase", "straße")]


class TestNumeric(RewardContract):
    name = "numeric"
    settings = {"tolerance": 0.01}
    better_first = [answers("about 99.5", "about 98", "5 * 20 = 100\n#### 100")]


class TestRegex(RewardContract):
    name = "regex"
    settings = {"pattern": r"<answer>.+</answer>\s*", "match": "full"}
    better_first = [answers("<answer>4\n</answer>\n", "so: <answer>4</answer>")]


class TestJsonSchema(RewardContract):
    name = "json-schema"
    settings = {"shape": '{"type": "object", "required": ["sum"], "properties": {"sum": {"type": "integer"}}}'}
    better_first = [answers('{"sum": 4}', '{"sum": "4"}'), answers('{"sum": 4}', 'The sum is {"sum": 4}')]


class TestLength(RewardContract):
    name = "length"
    settings = {"least": 2, "most": 4, "unit": "words"}
    better_first = [answers("two words", "one"), answers("one two three four", "one two three four five six")]


class TestModel(RewardContract):
    name = "model"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        """A reward model of its own, trained for two steps."""
        from ftcore.run.execute import execute
        from ftcore.testing.runs import plan

        more = {"strategy": "reward", "method": "lora", "train": {"steps": 2}}
        run, _ = execute(plan(cls.manager(), save_tiny(folder / "base"), folder, "preference", more), cls.manager())
        cls.settings = {"run": str(run), "batch_size": 3}


class TestJudge(RewardContract):
    name = "judge"
    better_first = [answers("a long answer", "short")]

    @classmethod
    def prepare(cls, folder: Path) -> None:
        """A judge on this machine, which likes length."""
        _, asked = serve(lambda question, _: Reply(str(min(10, len(question.partition("<answer>")[2]) / 40))))
        cls.settings = {"url": asked.url, "model": "wise"}
