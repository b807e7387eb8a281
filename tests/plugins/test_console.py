"""What a person sees at the terminal, and what a log gets."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftcore.events import (
    CheckpointWritten,
    Evaluated,
    PhaseAdvanced,
    PhaseStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    StepDone,
)
from ftcore.line import options
from ftcore.loading.front import check_hooks
from ftcore.protocols import Reporter
from ftcore.types import Evaluation, Finding
from ftcore_plugins import console
from ftcore_plugins.console import tables
from ftcore_plugins.console.config import ConsoleConfig
from ftcore_plugins.console.facts import next_pairs
from ftcore_plugins.console.log import Log
from ftcore_plugins.console.progress import Pace, sparkline
from ftcore_plugins.console.reporter import ConsoleReporter
from ftcore_plugins.metrics.comparison import changes
from tests.plugins import example_run

FOLDER = Path("runs/2026-03-02-qlora-sft")
FINDINGS = (Finding("warning", "slow here", "--method lora"), Finding("note", "short rows"))
EVALUATION = {"exact-match": Evaluation({"exact_match": 0.0}), "loss": Evaluation({"loss": 2.3104})}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class TerminalFile(io.StringIO):
    """Where rich believes to write to a terminal."""

    def isatty(self):
        return True


def run(reporter, report=None, findings=FINDINGS, phase="loading the model"):
    reporter.handle(PhaseStarted(phase, 2))
    reporter.handle(PhaseAdvanced(2))
    reporter.handle(RunStarted(example_run.plan(findings), FOLDER, example_run.FACTS))
    reporter.handle(Evaluated("before", 0, EVALUATION))
    for step in (1, 2, 3):
        reporter.handle(StepDone(step, 3, example_run.step_metrics(step, 3)))
    reporter.handle(CheckpointWritten(3, FOLDER / "checkpoints" / "step-000003"))
    reporter.handle(RunFinished(FOLDER, report or example_run.report()))


def log_of(**arguments):
    file = io.StringIO()
    run(ConsoleReporter(ConsoleConfig(), file), **arguments)
    return file.getvalue()


def terminal_of(monkeypatch, columns=80, settings=None, **arguments):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    file = TerminalFile()
    run(ConsoleReporter(settings or ConsoleConfig(), file), **arguments)
    return file.getvalue()


def rendered(renderable, width=80):
    from rich.console import Console

    file = io.StringIO()
    Console(file=file, width=width).print(renderable)
    return file.getvalue()


def test_the_front_is_a_sound_plugin_whose_factory_builds_a_reporter():
    check_hooks(console)
    (spec,) = console.ftcore_reporters()
    assert isinstance(spec.factory.load()(spec.config.load()()), Reporter)


# Logs -----------------------------------------------------------------------------------------------------------------


def test_a_log_reads_from_top_to_bottom():
    assert log_of() == LOG


def test_a_log_never_holds_a_control_code_even_when_colour_is_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = log_of(report=example_run.report(samples=[dict.fromkeys(("prompt", "reference", "after"), "\x1b[2J\r")]))
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text) is None
    assert "\\x1b[2J\\r" in text


def test_a_log_gets_the_first_step_the_last_and_one_every_five_seconds():
    now = [0.0]
    file = io.StringIO()
    log, pace = Log(file, None, clock=lambda: now[0]), Pace()
    for step in range(1, 11):
        event = StepDone(step, 10, example_run.step_metrics(step))
        pace.add(event)
        log.step(step, 10, pace)
        now[0] += 2.0
    assert re.findall(r"step (\d+)/10", file.getvalue()) == ["1", "4", "7", "10"]


def test_every_sets_the_distance_between_lines():
    file = io.StringIO()
    log, pace = Log(file, 4), Pace()
    for step in range(1, 11):
        pace.add(StepDone(step, 10, example_run.step_metrics(step)))
        log.step(step, 10, pace)
    assert re.findall(r"step (\d+)/10", file.getvalue()) == ["1", "4", "8", "10"]


def test_rich_is_not_imported_for_a_log():
    code = (
        "import sys, io\nfrom ftcore_plugins.console.reporter import ConsoleReporter\n"
        "ConsoleReporter(None, io.StringIO())\nprint(sorted({'rich', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_nothing_goes_to_stdout(capsys):
    run(ConsoleReporter())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == LOG


# Terminals ------------------------------------------------------------------------------------------------------------


def test_a_terminal_shows_plan_bar_and_result(monkeypatch):
    text = CONTROL.sub("", terminal_of(monkeypatch))
    for part in (
        "✓ loading the model",
        "╭─ plan ",
        "qlora – LoRA over four bits",
        "warning: slow here",
        "before training: exact match 0 %, loss 2.31",
        "1/3",
        "loss 2.1200 · lr 2e-4 · 824 tokens/s · 1.2 GB · 3 s left",
        "✓ training",
        "exact match on 32 held-out rows: 0 % → 90.6 %",
        "▲ better",
        "ftcore chat runs/2026-03-02-qlora-sft",
    ):
        assert part in text


def test_no_line_is_wider_than_the_terminal(monkeypatch):
    from rich.cells import cell_len

    for columns in (60, 80, 140):
        text = CONTROL.sub("", terminal_of(monkeypatch, columns))
        assert max(cell_len(line) for line in re.split(r"[\r\n]", text)) <= columns


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", terminal_of(monkeypatch)))
    assert codes <= {"0", "1", "2", "1;2"}  # bold and dim remain, colours do not


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    file = TerminalFile()
    run(ConsoleReporter(ConsoleConfig(), file))
    assert file.getvalue() == LOG


def test_every_leaves_lines_above_the_bar(monkeypatch):
    text = CONTROL.sub("", terminal_of(monkeypatch, settings=ConsoleConfig(every=2)))
    assert "step 2/3  loss" in text
    assert "step 1/3  loss" not in text


def test_markup_and_control_codes_in_data_stay_text(monkeypatch):
    hostile = example_run.HOSTILE
    sample = {"prompt": hostile, "reference": hostile, "before": "[red]x[/red]", "after": "[/]"}
    report = example_run.report(samples=[sample])
    text = terminal_of(
        monkeypatch, 160, report=report, findings=(Finding("note", hostile),), phase="[/][bold]phase \x1b[2J"
    )
    assert "\x1b[2J" not in text
    assert "\x00" not in text
    plain = CONTROL.sub("", text)
    for part in ("[/][bold]phase \\x1b[2J", "[bold]loud[/bold] \\x1b[2J\\u202eevil\\x00", "[red]x[/red]", "[/]"):
        assert part in plain


@pytest.mark.parametrize("end", [RunFailed(FOLDER, ValueError("the loss is nan")), None])
def test_the_cursor_comes_back_however_a_run_ends(monkeypatch, end):
    monkeypatch.setenv("TERM", "xterm-256color")
    file = TerminalFile()
    reporter = ConsoleReporter(ConsoleConfig(), file)
    reporter.handle(RunStarted(example_run.plan(), FOLDER, example_run.FACTS))
    reporter.handle(StepDone(1, 3, example_run.step_metrics(1)))
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert hide in file.getvalue()
    reporter.handle(end or RunFinished(FOLDER, example_run.report()))
    assert file.getvalue().rindex(show) > file.getvalue().rindex(hide)
    assert "the loss is nan" not in file.getvalue()


def test_a_run_that_fails_while_loading_says_nothing_more():
    file = io.StringIO()
    reporter = ConsoleReporter(ConsoleConfig(plain=True), file)
    reporter.handle(PhaseStarted("loading the model"))
    reporter.handle(RunFailed(None, ValueError("no such file")))
    assert file.getvalue() == "loading the model\n"


# The parts ------------------------------------------------------------------------------------------------------------


def test_the_result_table():
    assert rendered(tables.result(example_run.report(), changes(example_run.report()))) == RESULT


def test_samples_stand_side_by_side_where_there_is_room_and_below_each_other_where_not():
    sample = {"prompt": "2 + 2?", "reference": "4", "before": "five", "after": "4"}
    assert rendered(tables.samples([sample], wide=True)) == SIDE_BY_SIDE
    assert rendered(tables.samples([sample], wide=False), 40) == STACKED


def test_a_run_that_was_not_judged_before_has_no_such_column():
    table = rendered(tables.samples([{"prompt": "p", "reference": "r", "before": None, "after": "a"}], wide=True))
    assert "before" not in table


def test_an_empty_answer_is_shown_as_an_answer_and_a_missing_one_is_not():
    empty = [{"prompt": "p", "reference": "r", "before": "", "after": ""}]
    asked = log_of(report=example_run.report(samples=empty))
    assert "  before  (nothing)\n  after   (nothing)\n" in asked
    assert "  before  " not in log_of(report=example_run.report(samples=empty, before={}))
    assert "(nothing)" in rendered(tables.samples(empty, wide=False))


def test_a_whole_model_is_not_offered_for_merging_and_paths_are_quoted():
    report = example_run.report(artifact={"kind": "model", "files": [], "verified": True})
    pairs = dict(next_pairs(report, Path("my runs/a"), ["console"]))
    assert pairs == {"model": "my runs/a/model", "talk to it": "ftcore chat 'my runs/a'"}


def test_what_can_be_typed_next_names_the_plugin_files_that_made_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(options, "plugin", ["a.py", "my b.py"])
    pairs = dict(next_pairs(example_run.report(), Path("runs/a"), []))
    assert pairs["talk to it"] == "ftcore chat runs/a --plugin a.py --plugin 'my b.py'"
    assert pairs["merge it"] == "ftcore merge runs/a --plugin a.py --plugin 'my b.py'"


def test_a_sparkline_follows_the_curve_and_bears_any_number():
    assert sparkline([4.0, 3.0, 2.0, 1.0]) == "█▆▃▁"
    assert sparkline([1.0, float("nan"), float("inf"), 1.0]) == "▁▁"
    assert sparkline([1.0]) == ""
    assert len(sparkline([float(n) for n in range(1000)])) == 20


def test_pace_measures_over_recent_steps():
    pace = Pace()
    for step in range(1, 101):
        seconds = 100.0 if step <= 80 else 2.0
        pace.add(StepDone(step, 110, {"loss": 1.0, "tokens": 500, "seconds": seconds}))
    assert pace.parts() == ["loss 1.0000", "250 tokens/s", "20 s left"]


def test_a_step_that_is_rewarded_says_so():
    pace = Pace()
    pace.add(StepDone(1, 1, {"loss": 0.0, "reward": 0.104, "learning_rate": 1e-4}))
    assert pace.parts() == ["loss 0.0000", "reward 0.104", "lr 1e-4"]


LOG = """\
loading the model
plan
  model          demo
  data           demo
  rows           320 to train on, 32 held out, 41,200 tokens, 12,300 of them learned
  method         qlora – LoRA over four bits
  strategy       sft – the next token
  backend        cpu, bfloat16
  learning rate  2e-4, cosine
  steps          40 steps of 8 examples
  parameters     921.6 k of 134.5 M train (0.685 %)
  folder         runs/2026-03-02-qlora-sft
warning: slow here
  try: --method lora
note: short rows
before training: exact match 0 %, loss 2.31
step 1/3  loss 2.1200  lr 2e-4  824 tokens/s  1.2 GB  3 s left
step 3/3  loss 1.6967  lr 6.67e-5  824 tokens/s  1.2 GB
checkpoint at step 3: runs/2026-03-02-qlora-sft/checkpoints/step-000003
result
  exact match on 32 held-out rows: 0 % → 90.6 % (better, +90.6 points)
  loss: 2.31 → 0.1205 (better, −2.19)
  perplexity: 10.08 → 1.128 (better, −8.95)
""" + "".join(
    f"sample\n  prompt  {sample['prompt']}\n  wanted  {sample['reference']}\n  before  {sample['before']}\n"
    f"  after   {sample['after']}\n"
    for sample in example_run.SAMPLES[:3]
) + """\
next
  adapter     runs/2026-03-02-qlora-sft/model
  report      runs/2026-03-02-qlora-sft/report.html
  talk to it  ftcore chat runs/2026-03-02-qlora-sft
  merge it    ftcore merge runs/2026-03-02-qlora-sft
"""  # fmt: skip

RESULT = """\
╭─ result ─────────────────────────────────────────────────────────────────────╮
│ exact match on 32 held-out rows: 0 % → 90.6 %                                │
│                                                                              │
│  metric        before    after         change                                │
│  ───────────────────────────────────────────────────────                     │
│  exact match      0 %   90.6 %   +90.6 points   ▲ better                     │
│  loss            2.31   0.1205          −2.19   ▲ better                     │
│  perplexity     10.08    1.128          −8.95   ▲ better                     │
│                                                                              │
╰──────────────────────────────────────────────────────────────────────────────╯
"""

SIDE_BY_SIDE = """\
╭───────────────────┬───────────────────┬───────────────────┬──────────────────╮
│ prompt            │ wanted            │ before            │ after            │
├───────────────────┼───────────────────┼───────────────────┼──────────────────┤
│ 2 + 2?            │ 4                 │ five              │ 4  ✓ as wanted   │
╰───────────────────┴───────────────────┴───────────────────┴──────────────────╯
"""

STACKED = """\
╭────────┬─────────────────────────────╮
│ prompt │ 2 + 2?                      │
│ wanted │ 4                           │
│ before │ five                        │
│ after  │ 4  ✓ as wanted              │
╰────────┴─────────────────────────────╯
"""
