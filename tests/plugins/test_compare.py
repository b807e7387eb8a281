"""`ftcore compare`: equal budgets, honest tables, and runs that go on where they were."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.errors import FtcoreError, UsageError
from ftcore_plugins import compare as front
from ftcore_plugins.compare import files, table
from ftcore_plugins.compare.command import _must_all_have_run
from ftcore_plugins.compare.comparison import Absent, compare
from ftcore_plugins.compare.entries import entries
from ftcore_plugins.compare.labels import Box, Circle, place
from ftcore_plugins.compare.pareto import dominates, dominators
from ftcore_plugins.compare.plans import planned
from ftcore_plugins.compare.results import Result
from tests.conftest import Terminal
from tests.plugins import example_run
from tests.plugins.html_page import Page, assert_ids_are_unique


def result(name: str, loss: float = 0.5, memory: float = 1e9, seconds: float = 10.0, **changed) -> Result:
    """A finished run of which only what matters is said."""
    report = example_run.report(
        after={"exact-match": {"exact_match": 0.5}, "loss": {"loss": loss}},
        training={"steps": 40, "seconds": seconds, "tokens_per_second": 4000 / seconds, "peak_memory_bytes": memory},
        judged={"exact-match": 32, "loss": 32},
    )
    return Result(name, Path("runs") / "one", {**report, **changed}, {"data": ["sha256:1"], "model": "sha256:2"})


def folder_of(run: Result, folder: Path) -> Path:
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(run.report), encoding="utf-8")
    (folder / "lock.json").write_text(json.dumps(run.lock), encoding="utf-8")
    return folder


# The front ------------------------------------------------------------------------------------------------------------

costs = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 3), max_size=12)


@given(costs)
def test_nobody_on_the_front_is_beaten_and_everybody_else_is_beaten_by_somebody_on_it(found):
    by = dominators(found)
    front = [cost for cost, beaters in zip(found, by, strict=True) if not beaters]
    for cost, beaters in zip(found, by, strict=True):
        assert [found[index] for index in beaters] == [other for other in found if dominates(other, cost)]
        assert any(dominates(best, cost) for best in front) == bool(beaters)
    assert bool(front) == bool(found)


def test_equals_do_not_beat_each_other():
    assert dominators([(1, 2), (1, 2)]) == [[], []]


def test_the_best_score_comes_first_and_who_is_beaten_knows_by_whom():
    one, two, three = result("one", 0.7, 1e9), result("two", 0.5, 2e9), result("three", 0.7, 3e9)
    found = compare([one, two, three], None)
    assert [each.name for each in found.results] == ["two", "one", "three"]
    assert found.beaten_by == ((), (), ("two", "one"))


def test_a_score_of_which_more_is_better_is_turned():
    better = result("better", after={"exact-match": {"exact_match": 0.9}})
    worse = result("worse", after={"exact-match": {"exact_match": 0.1}})
    found = compare([worse, better], "exact-match")
    assert [each.name for each in found.results] == ["better", "worse"]
    assert found.beaten_by == ((), ("better",))


def test_a_run_without_the_score_is_neither_beaten_nor_on_the_front():
    found = compare([result("asked"), result("not asked", after={})], "loss")
    assert found.beaten_by == ((), None)
    assert [line.cells[-1] for line in table.lines(found)] == ["", "–"]


def test_a_metric_that_nobody_measured_is_refused():
    with pytest.raises(UsageError, match=r"measures 'lost'.*did you mean 'loss'"):
        compare([result("one"), result("two")], "lost")


@pytest.mark.parametrize(("memory", "seconds", "by"), [(0.995e9, 9.95, ("a",)), (0.98e9, 10, ()), (1e9, 9.8, ())])
def test_a_percent_of_memory_or_time_is_no_difference(memory: float, seconds: float, by: tuple[str, ...]):
    assert compare([result("a", 0.4), result("b", 0.5, memory, seconds)], None).beaten_by == ((), by)
    equal = compare([result("a"), result("b", 0.5, memory, seconds)], None)
    assert equal.beaten_by == (((), ()) if by else (("b",), ()))


def preferred(name: str, strategy: str, loss: float, accuracy: float) -> Result:
    after = {"loss": {"loss": loss, "perplexity": 2.0}, "preference": {"accuracy": accuracy}}
    plan = {**result(name).report["plan"], "strategy": {"name": strategy, f"only_of_{strategy}": 1}}
    better = {"loss": {"loss": "down"}, "preference": {"accuracy": "up"}}
    return result(name, before={}, after=after, plan=plan, better=better, judged={"loss": 32, "preference": 32})


def test_losses_of_different_strategies_are_not_compared():
    runs = [preferred("a", "dpo", 0.6, 0.5), preferred("b", "simpo", 1.7, 0.9)]
    found = compare(runs, None)
    assert found.metric == ("preference", "accuracy")
    assert [each.name for each in found.results] == ["b", "a"]
    assert "the objectives differ, and a loss is the strategy's own, so losses are not compared" in found.warnings
    assert "strategy.name is simpo for b, dpo for a" in found.warnings
    assert "only_of" not in " ".join(found.warnings)
    with pytest.raises(UsageError, match="measures 'loss'") as error:
        compare(runs, "loss")
    assert "a loss is the strategy's own" in error.value.more[-1]
    same = compare([preferred("a", "dpo", 0.6, 0.5), preferred("b", "dpo", 0.7, 0.9)], None)
    assert (same.metric, same.results[0].name) == (("loss", "loss"), "a")


# What is comparable ---------------------------------------------------------------------------------------------------


def of_plan(name: str, section: str, **changed) -> Result:
    plan = result(name).report["plan"]
    return result(name, plan={**plan, section: {**plan[section], **changed}})


@pytest.mark.parametrize(
    "other",
    [
        of_plan("b", "train", seed=7),
        of_plan("b", "evaluate", holdout=0.2),
        result("b", judged={"loss": 8}),
        Result("b", Path("b"), result("b").report, {"data": ["sha256:9"]}),
    ],
)
def test_runs_with_other_held_out_rows_are_not_compared(other):
    with pytest.raises(UsageError, match="not judged by the same held-out rows") as error:
        compare([result("a"), other], None)
    assert "sha256" not in str(error.value), "nobody reads hashes"


def of_file(name: str) -> Result:
    return result(name, plan={**result("a").report["plan"], "data": [{"name": "files", "path": f"{name}.csv"}]})


def test_the_files_of_other_rows_are_named():
    other = Result("b", Path("b"), of_file("b").report, {"data": ["sha256:9"]})
    with pytest.raises(UsageError, match=r"the data is one for a \(a.csv\), another for b \(b.csv\)"):
        compare([of_file("a"), other], None, places={"files": "path"})


def test_an_unequal_budget_is_compared_with_a_warning():
    longer = of_plan("b", "train", steps=80)
    found = compare([result("a"), longer], None)
    assert found.warnings == ("train.steps is None for a, 80 for b",)


def test_the_same_rows_under_another_path_are_the_same(ftcore: Terminal, tmp_path: Path):
    paths = [folder_of(of_file(name), tmp_path / name) for name in "ab"]
    assert ftcore("compare", *paths).code == 0
    assert "try: ftcore compare a OTHER\n" in ftcore("compare", "a").err


# The table and the page -----------------------------------------------------------------------------------------------


def test_finished_runs_are_compared_at_the_terminal_and_in_files(ftcore: Terminal, tmp_path: Path):
    folder_of(result("a", 0.5, 3e9, 60), tmp_path / "a")
    folder_of(result("b", 0.7, 4e9, 90), tmp_path / "b")
    shown = ftcore("compare", "a", "b", "--out", "both")
    assert shown.code == 0, shown.err
    assert "2 runs: 40 steps of 8 rows, 4,000 tokens; judged by 32 held-out rows" in shown.out
    [a] = [line for line in shown.out.splitlines() if "● " in line and " a " in line]
    assert re.split(r"\s{2,}", a.strip()) == [
        "●", "a", "2.31 → 0.5", "0 % → 50 %", "921.6 k (0.685 %)", "3 GB", "1 min 00 s", "66.67", "3.7 MB"
    ]  # fmt: skip
    assert sorted(path.name for path in Path("both").iterdir()) == [
        f"compare.{end}" for end in ("html", "json", "md", "svg")
    ]
    record = json.loads(Path("both/compare.json").read_text())
    assert [(run["name"], run["on_front"], run["beaten_by"]) for run in record["runs"]] == [
        ("a", True, []),
        ("b", False, ["a"]),
    ]
    assert ftcore("compare", "a", "b", "--out", "both", "--json").json["runs"] == record["runs"]
    assert ftcore("compare", "both", "--out", "again", "--json").json["runs"] == record["runs"], "by its folder"
    assert record["runs"][0]["folder"] == "../a"


def test_a_whole_model_and_a_resumed_run_are_named_as_such():
    whole = result("full", artifact={"kind": "model", "files": [{"bytes": 542_000_000}]})
    resumed = result("lora", facts={**example_run.FACTS, "start_step": 20})
    found = compare([whole, resumed], None)
    assert "542 MB, whole" in next(line.cells for line in table.lines(found) if line.result is whole)
    assert any("stands alone" in note for note in table.notes(found))
    assert found.warnings == ("lora: resumed, so its peak memory is that of its last process alone",)


def test_a_narrow_terminal_shows_fewer_columns_whole():
    rows = [["", "method", "loss", "trained", "artifact", "tokens/s", "beaten by"], ["●", "a", *["1234567"] * 5]]
    assert table.fitting(rows, 100) == [0, 1, 2, 3, 4, 5, 6]
    assert table.fitting(rows, 50) == [0, 1, 2, 3, 4]
    assert table.fitting(rows, 10) == [0, 1, 2]


def test_hostile_names_stay_text_in_page_picture_and_markdown(tmp_path: Path):
    hostile = f"{example_run.HOSTILE} | $x_1$"
    found = compare([result("plain"), result(hostile, 0.4)], None, [Absent(hostile, "failed", hostile)], hostile)
    files.write(found, tmp_path)
    text = (tmp_path / "compare.html").read_text()
    page = Page(text)
    assert page.crossed == page.open == []
    assert not {"script", "img", "b"} & {tag for tag, _ in page.elements}
    assert re.search(r"https?:|//\w|@import", text) is None
    assert_ids_are_unique(page)
    picture = (tmp_path / "compare.svg").read_text()
    assert "<script>" not in picture
    assert "var(--" not in picture
    assert 'fill="#ffffff"' in picture
    markdown = (tmp_path / "compare.md").read_text()
    assert "\x1b" not in text + picture + markdown
    assert "<script>" not in markdown
    assert {line.count(" | ") for line in markdown.splitlines() if line.startswith("|")} == {9}


def test_names_with_dollar_signs_are_drawn_as_they_are(tmp_path: Path):
    files.write(compare([result("plain"), result("cost $x_1$", 0.4)], None), tmp_path)
    assert "cost $x_1$" in (tmp_path / "compare.svg").read_text()


def test_without_matplotlib_the_page_says_how_to_get_the_picture(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    files.write(compare([result("a"), result("b")], None), tmp_path)
    assert not (tmp_path / "compare.svg").exists()
    assert "pip install 'ftcore[report]'" in Page((tmp_path / "compare.html").read_text()).text


circles = st.builds(Circle, st.floats(20, 380), st.floats(20, 280), st.floats(3, 11))


@settings(max_examples=40)
@given(st.lists(st.tuples(circles, st.tuples(st.floats(10, 110), st.just(12.0))), max_size=9))
def test_names_in_the_picture_cover_neither_points_nor_each_other(found):
    points, sizes = [circle for circle, _ in found], [size for _, size in found]
    boxes = place(points, sizes, Box(0, 0, 400, 300))
    for index, box in enumerate(boxes):
        assert all(box.distance(point) > 0 for point in points)
        assert not any(box.overlaps(other) for other in boxes[:index])


@pytest.mark.parametrize("code", [1, 4, 5])
def test_the_exit_code_is_that_of_the_first_run_that_failed(code: int, tmp_path: Path):
    failed = [Absent("a", "left out", "no"), Absent("b", "failed", "why", code), Absent("c", "failed", "what", 3)]
    with pytest.raises(FtcoreError, match="2 runs failed") as caught:
        _must_all_have_run(failed, tmp_path)
    assert caught.value.exit_code == code


# What is typed --------------------------------------------------------------------------------------------------------


def test_the_front_offers_the_command():
    [spec] = front.ftcore_commands()
    assert spec.factory.load().name == "compare"


def test_a_setting_belongs_to_the_method_before_it():
    found = entries(["lora,lora:rank=8,train.learning_rate=1e-4", "lora:targets=q_proj,targets=v_proj"])
    assert [(each.name, each.method, each.settings) for each in found] == [
        ("lora", "lora", ()),
        (
            "lora:rank=8,train.learning_rate=1e-4",
            "lora",
            (("method.rank", "8"), ("train.learning_rate", "1e-4")),
        ),
        ("lora:targets=q_proj,targets=v_proj", "lora", (("method.targets", "q_proj"), ("method.targets", "v_proj"))),
    ]
    listed = entries(["lora:targets=[q_proj, v_proj],rank=8,full"])
    assert [each.method for each in listed] == ["lora", "full"]
    assert listed[0].settings == (("method.targets", "q_proj"), ("method.targets", "v_proj"), ("method.rank", "8"))
    slugs = [each.slug for each in entries(["lora:rank=8,lora:rank-8=1,LoRA:rank=8"])]
    assert slugs == ["lora-rank-8", "lora-rank-8-1", "LoRA-rank-8-2"]


@pytest.mark.parametrize("text", ["rank=8,lora", "lora:rank", "lora,lora", "lora,,full", ""])
def test_a_list_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError):
        entries([text])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--methods lroa,full", "there is no tuning method 'lroa'"),
        (
            "--methods lora:rnak=8",
            "--methods lora:rnak=8: there is no setting 'method.rnak' (did you mean 'method.rank'?)",
        ),
        (
            "--methods lora:train.steps=9,full",
            "budget is not equal: train.steps is 9 for lora:train.steps=9, 2 for full",
        ),
        ("--methods lora:targets=q_proj,v_proj,full", "try: --methods 'lora:targets=[q_proj,v_proj],…'"),
        ("--methods lora:r=8,full", "try: --methods lora:rank=8,…"),
        ("--methods lora, full", "try: --methods lora,full"),
        ("--methods lora,full --method.rank 8", "try: --methods lora:rank=VALUE"),
        ("--methods lora,full --train.step 8", "did you mean --train.steps?"),
        ("--methods lora,full --evaluate.holdout 0", "no row is held out"),
        ("--methods lora,full --evaluators none", "nothing to compare by"),
        ("--methods lora,full --metric accuracy", "measured: exact_match, loss, perplexity"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_trains(ftcore, tiny, rows, line, said):
    refused = ftcore("compare", "--model", tiny, "--data", rows, "--train.steps", 2, "--out", "c", *line.split())
    assert refused.code == 2
    assert said in refused.err
    assert not Path("c").exists()


def test_a_run_file_says_what_is_the_same_for_all(ftcore: Terminal, tiny: Path, rows: Path):
    Path("run.yaml").write_text(f"model: {tiny}\ndata: {rows}\nout: elsewhere\nmethod: {{name: lora, rank: 4}}\n")
    found = planned(entries(["lora,lora:rank=8,ia3:train.learning_rate=0.5"]), ["run.yaml"], Path("c"), False)
    assert [job.plan.method.settings.rank for job in found.jobs[:2]] == [4, 8]
    assert found.jobs[2].plan.train.learning_rate == 0.5
    assert {job.plan.out for job in found.jobs} == {None}
    assert [job.folder.name for job in found.jobs] == ["lora", "lora-rank-8", "ia3-train.learning_rate-0.5"]


IMPOSSIBLE = """
from ftcore import MethodSpec, Ref, hookimpl

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="quantum", summary="needs qubits", needs=("qubits",), factory=Ref("abc:ABC"),
                     defaults={"learning_rate": 1e-3})
"""


def test_a_method_that_cannot_run_here_refuses_the_whole_line(ftcore: Terminal, tiny: Path, rows: Path):
    Path("quantum.py").write_text(IMPOSSIBLE)
    line = ("compare", "--plugin", "quantum.py", "--model", tiny, "--data", rows, "--methods", "lora,quantum")
    refused = ftcore(*line)
    assert refused.code == 5
    assert "quantum cannot run: the method 'quantum' needs qubits" in refused.err
    assert "try: the same line with --skip-impossible" in refused.err
    alone = ftcore(*line[:-1], "quantum", "--skip-impossible")
    assert alone.code == 5
    missing = ftcore("compare", "--methods", "lora,full", "--model", tiny, "--data", "absent.jsonl")
    assert missing.code == 3
    assert missing.err.startswith("error: absent.jsonl: there is no such file")


def test_a_folder_that_holds_something_else_is_left_alone(ftcore: Terminal, tmp_path: Path):
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    refused = ftcore("compare", "--methods", "lora", "--out", "mine")
    assert refused.code == 2
    assert "try: --out mine-2" in refused.err


# The whole program ----------------------------------------------------------------------------------------------------

STUBBORN = """
import os, signal
from pathlib import Path
from ftcore import MethodSpec, Ref, hookimpl
from ftcore_plugins.freeze.method import Freeze

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="stubborn", summary="fails at first, then stops half way", trains_base=True, artifact="model",
                     mergeable=False, switchable=False, config=Ref("ftcore_plugins.freeze.config:FreezeConfig"),
                     factory=Ref("stubborn:Stubborn"), defaults={"learning_rate": 1e-3})

class Stubborn(Freeze):
    def attach(self, model):
        if not Path("healed").exists():
            raise RuntimeError("not today")
        return super().attach(model)

@hookimpl
def ftcore_after_step(event):
    if event.step == 1 and Path("healed").exists() and not Path("stopped").exists():
        Path("stopped").touch()
        os.kill(os.getpid(), signal.SIGINT)
"""


def test_three_methods_one_of_which_fails_then_stops_then_goes_on(ftcore: Terminal, tiny: Path, rows: Path):
    Path("stubborn.py").write_text(STUBBORN)
    line = (
        "--plugin", "stubborn.py", "compare", "--methods", "lora:rank=2,stubborn,quantum,freeze", "--skip-impossible",
        "--model", tiny, "--data", rows, "--train.steps", 2, "--evaluate.generate", 1, "--evaluate.max_new_tokens", 4,
        "--out", "c", "--plugin", "quantum.py",
    )  # fmt: skip
    Path("quantum.py").write_text(IMPOSSIBLE)
    first = ftcore(*line)
    assert first.code not in (0, 2)
    assert "1 run failed" in first.err
    assert re.search("stubborn: .*RuntimeError: not today", first.err)
    assert "left out: quantum: the method 'quantum' needs qubits" in first.out
    record = json.loads(Path("c/compare.json").read_text())
    assert sorted((run["name"], run["folder"], run["steps"]) for run in record["runs"]) == [
        ("freeze", "freeze", 2),
        ("lora:rank=2", "lora-rank-2", 2),
    ]
    assert len({run["tokens"] for run in record["runs"]}) == 1
    written = Path("c/freeze/report.json").stat().st_mtime_ns

    Path("healed").touch()
    stopped = ftcore(*line)
    assert stopped.code == 130
    again = stopped.err.rpartition("try: ")[2].split()
    assert again[0] == "ftcore"

    last = ftcore(*again[1:])
    assert last.code == 0, last.err
    assert "kept: lora:rank=2, freeze" in last.err
    assert "stubborn: resumed" in last.out
    assert Path("c/freeze/report.json").stat().st_mtime_ns == written
    other = ftcore(*line, "--train.batch_size", 4)
    assert other.code == 2
    assert "train.batch_size is 8 for the run there, 4 for this line" in other.err
