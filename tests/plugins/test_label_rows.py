"""What was judged becomes rows: through the source `labels`, the export, and the numbers about judges."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import DataError, UsageError
from ftcore.types import Row
from ftcore_plugins.label.agreement import agreement, clopper_pearson, cohens_kappa, krippendorffs_alpha, wilson
from ftcore_plugins.label.config import LabelsConfig
from ftcore_plugins.label.items import Item, for_task, suited
from ftcore_plugins.label.project import Judgement, Project
from ftcore_plugins.label.reading import sampled
from ftcore_plugins.label.results import win_rate, win_rates
from ftcore_plugins.label.source import Labels
from tests.conftest import Terminal, write_rows
from tests.plugins.label_page import item, pairs, project


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def vote(mine: Project, judge: str, number: int | None, choice: str, **detail: Any) -> None:
    identity = f"{judge}-{number}-{choice}-{len(mine.judgements())}"
    assert mine.store(Judgement(identity, number, mine.judge_called(judge), choice, detail)) == "stored"


def given(**settings: Any) -> list[dict[str, Any]]:
    source = Labels(LabelsConfig(project="mine", **settings))
    return [dict(row.values) for row in source.rows() if isinstance(row, Row)]


def sides(**settings: Any) -> list[tuple[str, str]]:
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in given(**settings)]


def answers(**settings: Any) -> list[tuple[str, Any]]:
    return [(row["completion"][0]["content"], row.get("label")) for row in given(**settings)]


def test_pairs_give_preferences_feedback_and_answers(tmp_path: Path):
    with project(tmp_path, items=pairs(5)) as mine:
        for number, choice in enumerate(("first", "second", "tie", "bad", "skip"), start=1):
            vote(mine, "Ada", number, choice)
    assert sides() == [("first 0", "second 0"), ("second 1", "first 1")]
    assert given()[0]["prompt"] == [{"role": "user", "content": "question 0"}]
    assert answers(gives="answers") == [("first 0", None), ("second 1", None)]
    assert answers(gives="feedback") == [
        ("first 0", True), ("second 0", False), ("second 1", True), ("first 1", False),
        ("first 3", False), ("second 3", False),
    ]  # fmt: skip


def test_the_majority_decides_and_an_even_split_decides_nothing(tmp_path: Path):
    with project(tmp_path, items=pairs(2)) as mine:
        for judge, one, two in (("Ada", "first", "first"), ("Bob", "first", "second"), ("Cy", "tie", "skip")):
            vote(mine, judge, 1, one)
            vote(mine, judge, 2, two)
    assert sides() == [("first 0", "second 0")]
    assert len(sides(decide="each")) == 4
    assert sides(judges=["bob"]) == [("first 0", "second 0"), ("second 1", "first 1")]
    with pytest.raises(DataError, match="nobody called 'eve'"):
        sides(judges=["Eve"])


def test_answers_give_feedback_and_an_edit_is_better_than_what_it_mends(tmp_path: Path):
    with project(tmp_path, "answers", [item("a", "fine"), item("b", "poor"), item("c", "wrong"), item("d")]) as mine:
        vote(mine, "Ada", 1, "good")
        vote(mine, "Ada", 2, "bad")
        vote(mine, "Ada", 3, "edited", text="right")
        vote(mine, "Ada", 4, "edited", text="written")
    mended = [("fine", True), ("poor", False), ("right", True), ("wrong", False), ("written", True)]
    assert answers() == mended
    assert sides(gives="preferences") == [("right", "wrong")]
    assert answers(gives="answers") == [("fine", None), ("right", None), ("written", None)]


def test_rankings_give_every_pair_that_most_agree_on(tmp_path: Path):
    with project(tmp_path, "rankings", [item("q", "x", "y", "z")]) as mine:
        vote(mine, "Ada", 1, "ranked", places=[1, 2, 2])
        vote(mine, "Bob", 1, "ranked", places=[2, 1, 3])
    assert sides() == [("x", "z"), ("y", "z")]
    assert sides(judges=["Ada"]) == [("x", "y"), ("x", "z")]
    assert answers(gives="feedback") == [("z", False)], "x and y are equally good"


def test_written_rows_are_instructions_and_nothing_else(tmp_path: Path):
    with project(tmp_path, "rows") as mine:
        vote(mine, "Ada", None, "written", instruction="Say hi", input="", output="Hi!")
    assert given() == [{"instruction": "Say hi", "input": "", "output": "Hi!"}]
    with pytest.raises(DataError, match="no preferences") as refused:
        given(gives="preferences")
    assert refused.value.fix == "--data.gives answers"


def test_every_judgement_changes_the_fingerprint(tmp_path: Path):
    with project(tmp_path, items=pairs(2)) as mine:
        vote(mine, "Ada", 1, "first")
        source = Labels(LabelsConfig(project="mine"))
        before = source.fingerprint()
        assert source.fingerprint() == before
        vote(mine, "Ada", 2, "first")
        assert source.fingerprint() != before


def test_a_project_that_is_not_there_is_named_with_its_neighbours(tmp_path: Path):
    project(tmp_path).close()
    with pytest.raises(UsageError, match="did you mean 'mine'"):
        next(Labels(LabelsConfig(project="mime")).rows())
    assert not (tmp_path / "labels" / "mime.db").exists(), "reading makes no file"
    (tmp_path / "labels" / "other.db").write_text("not a database, but long enough to be looked at as if it were one")
    with pytest.raises(DataError, match="no labelling project"):
        next(Labels(LabelsConfig(project="other")).rows())


@pytest.mark.parametrize(
    ("task", "choices", "detail", "strategy", "kind"),
    [
        ("pairs", ["first"], {}, "orpo", "preference"),
        ("answers", ["good", "bad"], {}, "kto", "feedback"),
        ("rows", ["written"], {"instruction": "Say hi", "input": "", "output": "Hi!"}, "sft", "alpaca"),
    ],
)
def test_strategies_take_the_rows(
    ftcore: Terminal, tmp_path: Path, tiny: Path, task: str, choices: list[str], detail: Any, strategy: str, kind: str
):
    with project(tmp_path, task, [] if task == "rows" else pairs(8) if task == "pairs" else _singles()) as mine:
        for number in range(1, 9):
            vote(mine, "Ada", None if task == "rows" else number, choices[number % len(choices)], **detail)
    plan = ftcore("plan", "--model", tiny, "--method", "lora", "--strategy", strategy, "--data", "labels:mine")
    assert plan.code == 0, plan.err
    assert f"labels:mine: format {kind}" in plan.out


def _singles() -> list[Item]:
    return [item(f"question {n}", f"answer {n}") for n in range(8)]


# From rows to items --------------------------------------------------------------------------------------------------


def test_completions_of_two_runs_meet_pairwise_and_of_one_run_by_twos():
    two = sampled({"prompt": "q", "completions": [{"text": t, "by": t[0]} for t in ("a1", "a2", "b1", "b2")]}, "here")
    assert suited(two) == "pairs"
    assert [[a.text for a in each.answers] for each in for_task(two, "pairs")] == [["a1", "b1"], ["a2", "b2"]]
    one = sampled({"instruction": "q", "input": "x", "completions": ["1", "2", "3"]}, "here")
    assert suited(one) == "rankings"
    assert one.prompt[0].content == "q\n\nx"
    assert [[a.text for a in each.answers] for each in for_task(one, "pairs")] == [["1", "2"]]
    assert len(list(for_task(one, "answers"))) == 3


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"completions": ["a"]}, "no prompt"),
        ({"prompt": "q", "completions": []}, "no list of answers"),
        ({"prompt": "q", "completions": [{"by": "x"}]}, "completion 1 has no text"),
    ],
)
def test_a_row_of_completions_that_cannot_be_read_says_why(row: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        sampled(row, "here")


@pytest.fixture
def typed(ftcore: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """`ftcore label`, of which the server ends at once."""
    monkeypatch.setattr("ftcore_plugins.label.server.serve", lambda *_: None)
    return lambda *words: ftcore("label", *words)


def test_a_project_begins_with_rows_and_the_same_line_adds_nothing_twice(typed: Terminal, tmp_path: Path):
    rows = write_rows(tmp_path / "a.jsonl", [{"prompt": f"{n}?", "chosen": "yes", "rejected": "no"} for n in range(3)])
    assert "3 new items" in typed("mine", "--data", rows).out
    assert "0 new items, 3 were there already" in typed("mine", "--data", rows).out
    assert "pairs, 3 items, 0 judgements" in typed("mine").out
    assert typed("list", "--json").json[0] | {"file": ""} == {
        "project": "mine", "task": "pairs", "items": 3, "judgements": 0, "judges": [], "file": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["mine"], 2, "ftcore label mine --data FILE"),
        (["a/b", "--data", "rows.jsonl"], 2, "a project's name is made of"),
        (["mine", "--data", "nothing.jsonl"], 3, "there is no such file"),
        (["mine", "--data", "rows.jsonl", "--task", "pairs"], 3, "try: --task answers"),
        (["mine", "--data", "rows.jsonl", "--task", "pairs", "--data.bad_rows", "drop"], 3, "try: --task answers"),
        (["mine", "--data", "null.jsonl", "--data.bad_rows", "drop"], 3, "the project holds nothing to judge"),
        (["--data", "rows.jsonl"], 2, "try: ftcore label rows --data rows.jsonl"),
        (["--task", "pairs"], 2, "try: ftcore label PROJECT --task pairs"),
        (["rows.jsonl"], 2, "try: ftcore label rows --data rows.jsonl"),
        (["mine", "--data", "rows.jsonl", "--task", "rows"], 3, "rows written by hand need no data"),
        (["export", "mine", "--out", "x.jsonl"], 2, "there is no such project"),
        (["results", "mine"], 2, "there is no such project"),
    ],
)
def test_a_line_that_makes_no_sense_makes_no_project(
    typed: Terminal, tmp_path: Path, line: list[str], code: int, said: str
):
    write_rows(tmp_path / "rows.jsonl", [{"prompt": "q", "completion": "a"}])
    write_rows(tmp_path / "null.jsonl", [{"prompt": "q", "completion": None}])
    refused = typed(*line)
    assert refused.code == code
    assert said in refused.err
    assert not list(tmp_path.glob("labels/*.db"))


def test_a_project_keeps_its_task(typed: Terminal, tmp_path: Path):
    project(tmp_path, "pairs", pairs(1)).close()
    assert "a project has one task" in typed("mine", "--task", "answers").err


def test_pairs_are_not_cut_in_two_unasked(typed: Terminal, tmp_path: Path):
    rows = write_rows(tmp_path / "a.jsonl", [{"prompt": "q", "chosen": "yes", "rejected": "no"}])
    project(tmp_path, "answers", [item("a")]).close()
    assert "these rows suit pairs, and the project's task is answers" in typed("mine", "--data", rows).err
    assert "2 new items" in typed("mine", "--data", rows, "--task", "answers").out


def test_answers_in_columns_that_no_format_knows_are_missed_aloud(typed: Terminal, tmp_path: Path):
    rows = write_rows(tmp_path / "a.jsonl", [{"question": "q", "answer_a": "yes", "answer_b": "no"}])
    shown = typed("mine", "--data", rows)
    assert "1 new item" in shown.out
    assert "only the prompts are shown; the columns 'answer_a', 'answer_b' were not used" in shown.err
    assert "try: --data.columns prompt=question --data.columns chosen=COLUMN" in shown.err


def test_without_the_servers_packages_the_extra_is_named(typed: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ftcore_plugins.label.command.PACKAGES", ("starlette", "not_there"))
    refused = typed("mine")
    assert (refused.code, "pip install 'ftcore[label]'" in refused.err) == (5, True)


def test_the_export_is_what_the_source_gives_and_raw_is_all_that_was_said(typed: Terminal, tmp_path: Path):
    with project(tmp_path, items=pairs(2)) as mine:
        vote(mine, "Ada", 1, "second")
        vote(mine, "Ada", 2, "tie")
    assert "1 row written to rows.jsonl" in typed("export", "mine", "--out", "rows.jsonl").out
    assert [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()] == given()
    assert typed("export", "mine", "--out", "rows.jsonl").code == 2, "nothing is overwritten"
    typed("export", "mine", "--raw", "--out", "raw.jsonl")
    raw = [json.loads(line) for line in Path("raw.jsonl").read_text().splitlines()]
    assert [(each["judge"], each["choice"], each["answers"][0]["by"]) for each in raw] == [
        ("Ada", "second", "red"), ("Ada", "tie", "red"),
    ]  # fmt: skip
    said = typed("results", "mine").out
    assert "blue against red: 100 %" in said
    assert "(1 won, 0 lost, 1 undecided)" in said
    shutil.move("labels/mine.db", "elsewhere.db")
    assert typed("results", "mine", "--db", "elsewhere.db", "--json").json["verdicts"] == {"second": 1, "tie": 1}


# Numbers -------------------------------------------------------------------------------------------------------------


def test_cohens_kappa_by_hand():
    """20 both yes, 15 both no, 5 and 10 apart: observed 0.7, expected 0.5."""
    votes = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(votes) == pytest.approx(0.4)
    assert cohens_kappa([("y", "y"), ("n", "n")]) == 1
    assert cohens_kappa([]) is cohens_kappa([("y", "y")]) is None


def test_krippendorffs_alpha_of_his_own_example():
    """Krippendorff, Computing Krippendorff's alpha-reliability, 2011, section C: four observers, alpha 0.743."""
    votes = """1 1 . 1|2 2 3 2|3 3 3 3|3 3 3 3|2 2 2 2|1 2 3 4|4 4 4 4|1 1 2 1|2 2 2 2|. 5 5 5|. . 1 1|. . 3 ."""
    units = [[value for value in unit.split() if value != "."] for unit in votes.split("|")]
    assert krippendorffs_alpha(units) == pytest.approx(0.743, abs=5e-4)
    assert krippendorffs_alpha([["a"], ["b"]]) is krippendorffs_alpha([["a", "a"]]) is None


def test_intervals_end_where_their_definitions_say():
    """Clopper and Pearson: so few, or so many, have a probability of 2.5 %. Wilson: the share is 1.96 standard errors
    away, and those are the ones at the bound."""
    for successes, trials in ((8, 10), (1, 7), (37, 50)):
        low, high = clopper_pearson(successes, trials)
        probability = [[math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
                       for p in (low, high)]  # fmt: skip
        assert sum(probability[0][successes:]) == pytest.approx(0.025)
        assert sum(probability[1][: successes + 1]) == pytest.approx(0.025)
        for bound in wilson(successes, trials):
            away = abs(successes / trials - bound) / math.sqrt(bound * (1 - bound) / trials)
            assert away == pytest.approx(1.959964, abs=1e-6)
    assert clopper_pearson(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert clopper_pearson(10, 10) == pytest.approx((0.025**0.1, 1))
    assert wilson(0, 10)[0] == pytest.approx(0)
    assert clopper_pearson(5_200, 10_000) == pytest.approx(wilson(5_200, 10_000), abs=2e-4)
    with pytest.raises(ValueError, match="no share"):
        wilson(0, 0)


def test_two_judges_are_compared_by_kappa_and_three_by_alpha(tmp_path: Path):
    with project(tmp_path, items=pairs(4)) as mine:
        for number, one, other in (
            (1, "first", "first"),
            (2, "second", "second"),
            (3, "tie", "first"),
            (4, "skip", "tie"),
        ):
            vote(mine, "Ada", number, one)
            vote(mine, "Bob", number, other)
        found = agreement("pairs", mine.judgements())
        assert (found.measure, found.items) == ("Cohen's kappa", 3)
        assert found.value == pytest.approx(cohens_kappa([("1", "1"), ("2", "2"), ("t", "1")]))
        vote(mine, "Cy", 4, "tie")
        found = agreement("pairs", mine.judgements())
        assert (found.measure, found.items) == ("Krippendorff's alpha", 4)
        votes = [["1", "1"], ["2", "2"], ["t", "1"], ["t", "t"]]
        assert found.value == pytest.approx(krippendorffs_alpha(votes))


def test_rankings_agree_by_their_pairs(tmp_path: Path):
    with project(tmp_path, "rankings", [item("q", "x", "y", "z")]) as mine:
        vote(mine, "Ada", 1, "ranked", places=[1, 2, 3])
        vote(mine, "Bob", 1, "ranked", places=[1, 3, 2])
        found = agreement("rankings", mine.judgements())
        assert found.value == pytest.approx(cohens_kappa([("<", "<"), ("<", "<"), ("<", ">")]))
        assert found.items == 1


def test_the_win_rate_counts_items_and_leaves_ties_out_of_the_share(tmp_path: Path):
    with project(tmp_path, items=pairs(4)) as mine:
        for number, choice in enumerate(("second", "second", "first", "tie"), start=1):
            vote(mine, "Ada", number, choice)
        vote(mine, "Bob", 1, "second")
        items = dict(mine.items())
        (rate,) = win_rates("pairs", items, mine.judgements())
        assert (rate.first, rate.second, rate.wins, rate.losses, rate.undecided) == ("blue", "red", 2, 1, 1)
        assert rate == win_rate("blue", "red", 2, 1, 1)
        assert rate.share == pytest.approx(2 / 3)
        assert rate.exact == clopper_pearson(2, 3)
        (each,) = win_rates("pairs", items, mine.judgements(), each=True)
        assert each.wins == 3
    assert win_rate("blue", "red", 0, 0, 3).share is None
