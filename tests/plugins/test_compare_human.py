"""`ftcore compare --human`: two runs answer, people judge blind, and the better one is named with its interval."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ftcore_plugins.compare.votes import contest, show
from ftcore_plugins.label.agreement import wilson
from ftcore_plugins.label.project import Judgement, Project
from tests.conftest import Terminal, write_rows
from tests.plugins.label_page import Page, pairs
from tests.plugins.label_server import labelling

# Counting -------------------------------------------------------------------------------------------------------------

JUDGES = {1: "Ada", 2: "Bob", 3: "Eve"}


def counted(*votes: str, one: str = "red", other: str = "blue") -> dict[str, Any]:
    """The contest in which each text is an item, a letter a judge's vote: first, second, tie, bad or kip, or a dot."""
    words = {"f": "first", "s": "second", "t": "tie", "b": "bad", "k": "skip"}
    items = dict(enumerate(pairs(len(votes)), start=1))
    said = [
        Judgement(f"{item}{judge}", item, judge, words[letter], {})
        for item, text in enumerate(votes, start=1)
        for judge, letter in enumerate(text, start=1)
        if letter != "."
    ]
    return {"prompts": len(items), "same_answer": 0, **contest(one, other, items, said, JUDGES)}


@pytest.mark.parametrize(
    ("votes", "wins", "losses", "undecided"),
    [
        (["f", "f", "s"], 2, 1, {"tie": 0, "bad": 0, "split": 0}),
        (["fff", "ffs", "fss", "fst"], 2, 1, {"tie": 0, "bad": 0, "split": 1}),
        (["t", "b", "fs", "ttf"], 0, 0, {"tie": 2, "bad": 1, "split": 1}),
        (["k", ".", "kf", "kkk"], 1, 0, {"tie": 0, "bad": 0, "split": 0}),
    ],
)
def test_a_prompt_counts_once_with_what_most_say_and_ties_stand_apart(votes, wins, losses, undecided):
    found = counted(*votes)
    assert found["undecided"] == undecided
    rate = found["win_rate"]
    assert (rate["first"], rate["second"], rate["wins"], rate["losses"]) == ("red", "blue", wins, losses)
    assert rate["wilson"] == (wilson(wins, wins + losses) if wins + losses else None)
    turned = counted(*votes, one="blue", other="red")["win_rate"]
    assert (turned["wins"], turned["losses"]) == (losses, wins), "whoever is named first"


def test_each_judge_has_a_rate_and_skips_are_no_votes():
    found = counted("fs", "fs", "fk", "tf")
    assert {name: (own["wins"], own["losses"], own["undecided"]) for name, own in found["judges"].items()} == {
        "Ada": (3, 0, 1),
        "Bob": (1, 2, 0),
    }
    assert (found["skipped"], found["agreement"]["items"]) == (1, 3)


def test_people_read_who_is_better_only_where_the_interval_says_so():
    assert "better     red" in "\n".join(show(counted(*["f"] * 12)))
    assert "better     blue" in "\n".join(show(counted(*["s"] * 12)))
    assert "not settled" in "\n".join(show(counted("f", "f", "s")))
    assert "nothing is decided yet" in "\n".join(show(counted("t", ".")))


# The whole program ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, `one` and `two`, which held out the same eight rows."""
    from ftcore.cli.main import main

    folder = tmp_path_factory.mktemp("trained")
    rows = [{"prompt": f"say word {n}", "completion": f"word {n}"} for n in range(16)]
    data = write_rows(folder / "rows.jsonl", rows)
    for name, method in (("one", "lora"), ("two", "freeze")):
        line = ["run", "--model", tiny, "--data", data, "--method", method, "--evaluators", "none"]
        line += ["--train.steps", 1, "--train.learning_rate", 0.1, "--evaluate.holdout", 8, "--out", folder / name]
        assert main([*map(str, line)]) == 0
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_two_people_judge_two_runs_over_http_and_the_same_line_says_what_came_of_it(
    ftcore: Terminal, runs: Path, monkeypatch: pytest.MonkeyPatch
):
    line = ["--human", "one", "two", "--max-new-tokens", 6, "--temperature", 1]
    with labelling(runs, *line, command="compare") as address:
        with Project.open(runs / "labels" / "one-vs-two.db") as project:
            items = dict(project.items())
        assert {item.prompt[-1].content for item in items.values()} <= {f"say word {n}" for n in range(16)}
        assert {tuple(answer.by for answer in item.answers) for item in items.values()} == {("one", "two")}
        count = len(items)
        assert count > 4
        for name, said in (("Ada", ["tie", "bad", *["one"] * (count - 2)]), ("Bob", ["tie", "bad", "two", "skip"])):
            page = Page.at(address, name)
            for wanted in said:
                texts = {answer.by: answer.text.strip() for answer in items[int(page.field("item"))].answers}
                shown = "AB"[page.texts()[1:].index(texts[wanted])] if wanted in texts else wanted
                page.judge(choice=shown)
        assert page.count() == f"4 of {count}"

    found = ftcore("compare", *line, "--json").json
    rate = found["win_rate"]
    assert found["prompts"] + found["same_answer"] == 8
    assert (rate["first"], rate["wins"], rate["losses"]) == ("one", count - 3, 0)
    assert rate["wilson"] == list(wilson(count - 3, count - 3))
    assert found["undecided"] == {"tie": 1, "bad": 1, "split": 1}
    assert found["judges"]["Bob"]["losses"] == found["skipped"] == 1

    monkeypatch.setattr("ftcore_plugins.label.server.serve", lambda *_: None)
    monkeypatch.setattr("ftcore_plugins.sample.asking.completions", None)  # nothing is answered twice
    again = ftcore("compare", *line)
    assert again.code == 0, again.err
    assert f"one against two, {count} of {count} prompts judged" in again.out
    other = ftcore("compare", *line, "--seed", 1)
    assert other.code == 2
    assert "made with another seed" in other.err
    assert "try: --project one-vs-two-2" in other.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["one"], "two different runs are judged"),
        (["one", "./one"], "two different runs are judged"),
        (["one", "rows.jsonl"], "not the folder of a run"),
        (["one", "two", "--json"], "nobody has judged yet"),
        (["one", "two", "--project", "../x"], "a project's name is made of letters"),
        (["one", "two", "--prompts", "none.jsonl"], "there is no such file"),
        (["one", "other"], "did not hold out the same rows: train.seed is 42 for one, 7 for other"),
    ],
)
def test_what_cannot_be_judged_is_refused_and_leaves_no_project(ftcore: Terminal, runs: Path, line, said):
    other = shutil.copytree(runs / "two", runs / "other") / "run.yaml"
    other.write_text(other.read_text().replace("seed: 42", "seed: 7"))
    refused = ftcore("compare", "--human", *line)
    assert refused.code in (2, 3)
    assert said in refused.err
    assert not (runs / "labels").exists()
