"""report.html: complete, self-contained, safe to open, and honest about what is missing."""

import json
import re
import sys

import pytest

from ftcore.events import RunFinished, RunStarted
from ftcore.loading.front import check_hooks
from ftcore.protocols import Reporter
from ftcore_plugins import html
from ftcore_plugins.html.charts import charts, smoothed, thinned
from ftcore_plugins.html.config import HtmlConfig
from ftcore_plugins.html.page import render
from ftcore_plugins.html.reporter import HtmlReporter
from ftcore_plugins.html.samples import differences
from tests.plugins import example_run
from tests.plugins.html_page import Page, assert_ids_are_unique


@pytest.fixture
def folder(tmp_path):
    return example_run.folder_with_metrics(tmp_path)


def test_the_front_is_a_sound_plugin_whose_factory_builds_a_reporter():
    check_hooks(html)
    (spec,) = html.ftcore_reporters()
    assert isinstance(spec.factory.load()(spec.config.load()()), Reporter)


def test_the_page_is_written_whole_when_the_run_has_finished(folder):
    reporter = HtmlReporter()
    reporter.handle(RunStarted(example_run.plan(), folder, example_run.FACTS))
    assert not (folder / "report.html").exists()
    reporter.handle(RunFinished(folder, example_run.report()))
    assert (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.jsonl", "report.html"]


def test_the_page_tells_everything(folder):
    page = Page(render(example_run.report(), folder))
    assert page.crossed == []
    assert page.open == []
    for part in (
        "demo, tuned with qlora",
        "exact match on 32 held-out rows",
        "0 % → 90.6 %",
        "+90.6 points",
        "2 March 2026, 09:30 UTC",
        "360 rows read = 320 trained on + 32 held out + 8 dropped",
        "the answer is empty: 5",
        "a column messages with roles and contents",
        "no fast four-bit kernels on this processor",
        "try --method lora",
        "judging the untuned model 1 min 01 s",
        "The whole run took 3 min 30 s.",
        "read back and verified",
        "9f86d081884c7d65" * 4,
        "transformers 5.23.0",
        "acme:latency 2.4.1",
        "learning_rate: null",
        "name: qlora",
    ):
        assert part in page.text, part


def test_the_same_run_gives_the_same_page(folder):
    assert render(example_run.report(), folder) == render(example_run.report(), folder)


def test_nothing_is_loaded_and_nothing_runs(folder):
    text = render(example_run.report(), folder)
    page = Page(text)
    assert re.search(r"https?:|//\w|@import|url\((?!#)", text) is None
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert attributes.get("href", "#").startswith("#")
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_hostile_text_stays_text_wherever_it_comes_in(folder):
    hostile = example_run.HOSTILE
    honest = Page(render(example_run.report(), folder))
    report = example_run.report(
        samples=[dict.fromkeys(("prompt", "reference", "before", "after"), hostile)],
        findings=[{"level": "note", "message": hostile, "fix": hostile}],
        data={
            "read": 1, "trained": 0, "heldout": 0, "dropped": {hostile: 1},
            "sources": [{"source": hostile, "format": hostile, "format_reason": hostile}],
        },
        plan={"model": {"name": hostile}, "method": {"name": hostile}, "note": hostile},
        facts={"model": hostile, "device": hostile},
        phases={hostile: 1.0},
        versions={hostile: hostile},
        plugins=[{"key": hostile, "distribution": hostile, "version": hostile}],
        artifact={"kind": hostile, "files": [{"name": hostile, "bytes": 1, "sha256": hostile}], "verified": False},
        before={hostile: {hostile: 0.0}}, after={hostile: {hostile: 1.0}}, ftcore=hostile, started=hostile,
    )  # fmt: skip
    text = render(report, folder)
    page = Page(text)
    assert page.crossed == []
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in honest.elements}
    assert not set("\x1b\x00\u202e") & set(text)
    shown = '<script>alert(1)</script> "><img src=x onerror=alert(2)> [bold]loud[/bold] \\x1b[2J\\u202eevil\\x00'
    assert page.text.count(shown) >= 15


def test_a_huge_sample_is_cut_with_a_marker(folder):
    huge = {"prompt": "x" * 1_000_000, "reference": "y" * 5000, "before": "z" * 5000, "after": "y" * 5000}
    text = render(example_run.report(samples=[huge]), folder)
    assert "x" * 2000 + " … 998,000 more characters" in text
    assert "y" * 2000 + " … 3,000 more characters" in text
    assert "✓ as wanted" in text
    assert len(text) < 100_000


def test_settings_bound_what_is_shown(folder):
    page = Page(render(example_run.report(), folder, HtmlConfig(samples=1, characters=10)))
    assert "Two large … 60 more characters" in page.text
    assert "Tom" not in page.text
    assert "3 further samples in report.json" in page.text
    assert "What the model writes" not in Page(render(example_run.report(), folder, HtmlConfig(samples=0))).text


def test_a_run_without_evaluation_or_samples_has_a_page_that_says_so(folder):
    text = Page(render(example_run.report(before={}, after={}, samples=[], percent={}, better={}), folder)).text
    assert "40 steps in 50.4 s: training loss 2.31 → 0.0821" in text
    assert "No evaluator measured this run" in text
    assert "Before and after" not in text


def test_a_run_that_was_not_judged_before_says_so(folder):
    samples = [{**sample, "before": ""} for sample in example_run.SAMPLES]
    page = Page(render(example_run.report(before={}, samples=samples), folder))
    assert "(nothing)" not in page.text
    assert "The untuned model was not judged." in page.text
    assert "→" not in page.text


def test_an_empty_answer_is_shown_as_one(folder):
    samples = [{"prompt": "p", "reference": "r", "before": "", "after": "r"}]
    assert "before (nothing)" in Page(render(example_run.report(samples=samples), folder)).text


def test_a_report_with_next_to_nothing_in_it_still_gives_a_page(tmp_path):
    page = Page(render({}, tmp_path))
    assert page.crossed == []
    assert page.open == []
    assert "There are no curves" in page.text


def test_tables_have_headers_and_drawings_have_words(folder):
    page = Page(render(example_run.report(), folder))
    assert len(page.all("table")) == 6
    assert all("scope" in header for header in page.all("th"))
    assert all(figure["aria-label"] and figure["role"] == "img" for figure in page.all("figure"))
    assert_ids_are_unique(page)
    assert page.all("html") == [{"lang": "en"}]


# Curves ---------------------------------------------------------------------------------------------------------------


def test_the_page_draws_loss_learning_rate_and_gradient_norm(folder):
    page = Page(render(example_run.report(), folder))
    assert [figure["class"] for figure in page.all("figure")] == ["loss", "learning_rate", "grad_norm"]
    assert page.all("figure")[0]["aria-label"] == (
        "training loss from 2.12 to 0.024 over 40 steps, lowest 0.024, highest 2.12; "
        "held-out loss from 2.31 to 0.1205 over 40 steps, lowest 0.1205, highest 2.31"
    )
    assert len(page.all("svg")) == 3


def test_what_a_strategy_measures_is_drawn_too(folder):
    lines = [{"step": n, "reward": n / 10, "logps/chosen": -90.0 + n, "tokens": 512} for n in range(1, 9)]
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    page = Page(render(example_run.report(), folder))
    assert [figure["class"] for figure in page.all("figure")][3:] == ["reward", "logps/chosen"]
    assert page.all("figure")[4]["aria-label"].startswith("logps chosen from -89 to -82 over 8 steps")
    assert "What the strategy measured" in page.text
    assert_ids_are_unique(page)


def test_curves_take_the_colours_of_the_page(folder):
    svgs = "".join(re.findall(r"<svg.*?</svg>", render(example_run.report(), folder), re.DOTALL))
    assert "var(--accent)" in svgs
    assert "currentColor" in svgs
    # Only matplotlib's black for what is filled with nothing may remain of its own colours.
    assert set(re.findall(r"#[0-9a-f]{6}\b", svgs)) <= {"#000000"}


def test_without_matplotlib_the_page_says_how_to_get_curves(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(render(example_run.report(), folder))
    assert "pip install 'ftcore[report]'" in page.text
    assert page.all("svg") == []


def test_one_step_is_enough_for_a_drawing(tmp_path):
    example_run.folder_with_metrics(tmp_path, steps=1)
    page = Page(render(example_run.report(), tmp_path))
    assert "learning rate 2e-4" in page.text
    assert len(page.all("svg")) == 3
    assert_ids_are_unique(page)


def test_a_long_run_does_not_make_a_large_page():
    long = {"loss": [(step, 1 / step) for step in range(1, 100_001)]}
    (chart,) = charts(long)
    assert len(chart.svg) < 60_000
    few = thinned(long["loss"])
    assert len(few) == 600
    assert sum(value for _, value in thinned([(step, 1.0) for step in range(10_007)])) == pytest.approx(600)


def test_smoothing_starts_at_the_first_value_and_leaves_a_constant_alone():
    assert smoothed([(1, 5.0)]) == [(1, 5.0)]
    assert [value for _, value in smoothed([(step, 3.0) for step in range(200)])] == pytest.approx([3.0] * 200)


# Differences ----------------------------------------------------------------------------------------------------------


def test_what_differs_is_marked_word_by_word():
    assert differences("a red car", "a blue car") == [("a ", False), ("red", True), (" car", False)]


def test_an_answer_that_has_nothing_in_common_is_not_marked_all_over():
    assert differences("Sure! Happy to help you today.", '{"a": 1}') == [("Sure! Happy to help you today.", False)]
