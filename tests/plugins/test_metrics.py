"""metrics.jsonl: nothing is rounded, lost, or invented; and the words that numbers are shown in."""

import json
import math

import pytest

from ftcore.events import Evaluated, RunStarted, StepDone
from ftcore.loading.front import check_hooks
from ftcore.protocols import Reporter
from ftcore.types import Evaluation
from ftcore_plugins import metrics
from ftcore_plugins.metrics import words
from ftcore_plugins.metrics.comparison import changes, headline
from ftcore_plugins.metrics.history import curves
from ftcore_plugins.metrics.reporter import MetricsReporter
from tests.plugins import example_run


def started(folder, **facts):
    reporter = MetricsReporter()
    reporter.handle(RunStarted(example_run.plan(), folder, example_run.FACTS | facts))
    return reporter


def written(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_front_is_a_sound_plugin_whose_factory_builds_a_reporter():
    check_hooks(metrics)
    (spec,) = metrics.ftcore_reporters()
    assert isinstance(spec.factory.load()(), Reporter)


def test_every_step_is_on_disk_at_once_in_full_precision(tmp_path):
    reporter = started(tmp_path)
    exact = {"loss": 2.3104817867279053, "learning_rate": 1.9999999999999998e-4, "tokens": 1030}
    reporter.handle(StepDone(1, 40, exact))
    assert written(tmp_path) == [{"step": 1, **exact}]


def test_an_evaluation_is_one_line_keyed_by_evaluator_and_metric(tmp_path):
    reporter = started(tmp_path)
    reporter.handle(Evaluated("before", 0, {"exact-match": Evaluation({"exact_match": 0.0})}))
    assert written(tmp_path) == [{"step": 0, "when": "before", "exact-match.exact_match": 0.0}]


def test_what_is_not_a_finite_number_is_null_and_named(tmp_path):
    reporter = started(tmp_path)
    reporter.handle(StepDone(3, 40, {"loss": math.nan, "grad_norm": -math.inf, "learning_rate": 0.5}))
    assert written(tmp_path) == [
        {"step": 3, "loss": None, "grad_norm": None, "learning_rate": 0.5, "non_finite": ["loss", "grad_norm"]}
    ]


def test_resuming_forgets_the_steps_after_the_checkpoint_and_a_line_torn_off_by_a_crash(tmp_path):
    reporter = started(tmp_path)
    reporter.handle(Evaluated("before", 0, {"loss": Evaluation({"loss": 2.5})}))
    for step in (1, 2, 3, 4):
        reporter.handle(StepDone(step, 40, {"loss": 1 / step}))
    kept = (tmp_path / "metrics.jsonl").read_text().splitlines()[:3]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    started(tmp_path, start_step=2).handle(StepDone(3, 40, {"loss": 7.0}))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert lines[:3] == kept
    assert [json.loads(line) for line in lines[3:]] == [{"step": 3, "loss": 7.0}]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_what_is_judged_twice_stands_once(tmp_path):
    for loss in (2.5, 2.4):
        reporter = started(tmp_path)
        reporter.handle(Evaluated("before", 0, {"loss": Evaluation({"loss": loss})}))
        reporter.handle(StepDone(1, 40, {"loss": loss}))
    assert written(tmp_path) == [{"step": 0, "when": "before", "loss.loss": 2.4}, {"step": 1, "loss": 2.4}]


def test_a_run_that_starts_again_at_step_0_keeps_what_was_judged_before_training(tmp_path):
    started(tmp_path).handle(Evaluated("before", 0, {"loss": Evaluation({"loss": 2.5})}))
    started(tmp_path, start_step=0)
    assert written(tmp_path) == [{"step": 0, "when": "before", "loss.loss": 2.5}]


def test_curves_are_read_back_by_step_and_leave_gaps_where_there_was_no_number(tmp_path):
    reporter = started(tmp_path)
    reporter.handle(Evaluated("before", 0, {"loss": Evaluation({"loss": 2.5})}))
    for step, loss in ((1, 2.0), (2, math.nan), (3, 1.0)):
        reporter.handle(StepDone(step, 3, {"loss": loss}))
    assert curves(tmp_path) == {"loss.loss": [(0, 2.5)], "loss": [(1, 2.0), (3, 1.0)]}


def test_a_folder_without_numbers_has_no_curves(tmp_path):
    assert curves(tmp_path) == {}


# Numbers and texts for people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (words.number, 2.3104, "2.31"),
        (words.number, 0.0002, "2e-4"),
        (words.number, 12345.6, "12,346"),
        (words.number, 0, "0"),
        (words.number, math.nan, "nan"),
        (words.number, None, "–"),
        (words.share, 0.90625, "90.6 %"),
        (words.share, 1.0, "100 %"),
        (words.short_count, 134_515_008, "134.5 M"),
        (words.size, 3_691_520, "3.7 MB"),
        (words.size, 812, "812 B"),
        (words.duration, 0.42, "0.4 s"),
        (words.duration, 25.0, "25 s"),
        (words.duration, 59.97, "1 min 00 s"),
        (words.duration, 210.3, "3 min 30 s"),
        (words.duration, 7500, "2 h 05 min"),
    ],
)
def test_numbers_are_written_as_a_person_would(write, value, text):
    assert write(value) == text


def test_invisible_characters_are_shown_as_escapes():
    assert words.shown("\x1b[2J\x00\r\u202eevil\ud800") == "\\x1b[2J\\x00\\r\\u202eevil\\ud800"
    assert words.shown("two\nlines", one_line=True) == "two\\nlines"
    joined = "Grüße \U0001f469\u200d\U0001f680\n"  # two characters joined into one astronaut
    assert words.shown(joined) == joined


def test_a_long_text_is_cut_with_a_marker():
    assert words.shown("x" * 1500, limit=300) == "x" * 300 + " … 1,200 more characters"


# Before and after -----------------------------------------------------------------------------------------------------


def test_a_change_is_judged_by_the_direction_that_the_evaluator_declares():
    exact, loss, perplexity = changes(example_run.report())
    assert (exact.label, exact.before, exact.after, exact.difference, exact.verdict) == (
        "exact match", "0 %", "90.6 %", "+90.6 points", "better"
    )  # fmt: skip
    assert (loss.label, loss.verdict, loss.difference) == ("loss", "better", "−2.19")
    assert perplexity.verdict == "better"


@pytest.mark.parametrize(
    ("old", "new", "verdict"), [(0.1, 0.2, "worse"), (0.1, 0.1, "same"), (0.1, math.nan, ""), (None, 0.2, "")]
)
def test_a_change_for_the_worse_or_an_unknown_one_is_not_called_better(old, new, verdict):
    report = example_run.report(before={"loss": {"loss": old}}, after={"loss": {"loss": new}})
    assert changes(report)[0].verdict == verdict


def test_a_metric_without_a_direction_is_shown_and_not_judged():
    report = example_run.report(before={"x": {"y": 1.0}}, after={"x": {"y": 2.0}})
    assert (changes(report)[0].difference, changes(report)[0].verdict) == ("+1", "")


def test_two_evaluators_with_the_same_metric_are_told_apart():
    report = example_run.report(before={}, after={"a": {"score": 1.0}, "b": {"score": 2.0}})
    assert [change.label for change in changes(report)] == ["a: score", "b: score"]


def test_the_headline_says_the_result_and_on_how_many_rows():
    assert headline(example_run.report()) == "exact match on 32 held-out rows: 0 % → 90.6 %"
    assert headline(example_run.report(before={})) == "exact match on 32 held-out rows: 90.6 %"


def test_the_headline_of_a_run_that_learns_from_rewards_is_the_reward():
    after = {"rewards": {"reward": 1.25}, "exact-match": {"exact_match": 0.5}}
    report = example_run.report(before={}, after=after, judged={"rewards": 32}, aims=["rewards"])
    assert headline(report) == "reward on 32 held-out rows: 1.25"


def test_the_headline_gives_no_number_of_rows_where_a_limit_may_have_cut_them():
    report = example_run.report(facts=example_run.FACTS | {"heldout_rows": 1000})
    assert headline(report) == "exact match on held-out rows: 0 % → 90.6 %"
    assert headline(report | {"judged": {"exact-match": 200}}) == "exact match on 200 held-out rows: 0 % → 90.6 %"


def test_without_an_evaluation_the_headline_speaks_of_training_alone():
    assert headline(example_run.report(before={}, after={})) == "40 steps in 50.4 s: training loss 2.31 → 0.0821"
