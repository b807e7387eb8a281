"""The page as text: the report's numbers laid out for the template `report.html.j2`.

The template decides how things look; nothing here writes HTML, so that all escaping is in one place.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore_plugins.html.charts import charts, strategy_charts
from ftcore_plugins.html.config import HtmlConfig
from ftcore_plugins.html.samples import sample_views
from ftcore_plugins.html.templates import template
from ftcore_plugins.metrics.comparison import changes, headline
from ftcore_plugins.metrics.history import curves
from ftcore_plugins.metrics.words import count, duration, number, short_count, size

Report = Mapping[str, Any]


def render(report: Report, folder: Path, settings: HtmlConfig | None = None) -> str:
    """The whole page for a finished run. `report` is the content of report.json; curves come from the folder.

    >>> render(json.loads((folder / "report.json").read_text()), folder)
    """
    settings = settings or HtmlConfig()
    found = curves(folder)
    page: str = template("ftcore_plugins.html", "report.html.j2").render(
        title=_title(report),
        headline=headline(report),
        changes=changes(report),
        tables=_tables(report),
        tiles=_tiles(report),
        started=_date(report.get("started")),
        has_numbers=bool(found),
        charts=charts(found),
        strategy_charts=strategy_charts(found),
        samples=sample_views(report, settings),
        samples_left_out=max(0, len(report.get("samples") or ()) - settings.samples),
        account=_account(report.get("data") or {}),
        findings=report.get("findings") or (),
        plan=_yaml(report.get("plan")),
        timings=_timings(report),
        report=report,
        artifact=report.get("artifact") or {},
    )
    return page


def _title(report: Report) -> str:
    """`demo, tuned with qlora`."""
    plan = report.get("plan") or {}
    model = (report.get("facts") or {}).get("model") or (plan.get("model") or {}).get("name") or "a model"
    method = (plan.get("method") or {}).get("name")
    return f"{model}, tuned with {method}" if method else str(model)


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """The few figures that everybody asks for: (what, figure, note)."""
    facts, training = report.get("facts") or {}, report.get("training") or {}
    trainable, total = facts.get("trainable_parameters"), facts.get("total_parameters")
    speed = training.get("tokens_per_second")
    tiles = []
    if facts.get("train_rows") is not None:
        rows, seen = facts["train_rows"], training.get("rows_seen", facts["train_rows"])
        note = f"{count(facts.get('train_tokens'))} tokens" if seen >= rows else f"of {count(rows)}: few steps"
        tiles.append(("learned from", f"{count(seen)} rows", note))
    if trainable is not None and total:
        tiles.append(
            ("trained", f"{100 * trainable / total:.3g} %", f"{short_count(trainable)} of {short_count(total)}")
        )
    if training.get("seconds") is not None:
        note = f"{count(training.get('steps'))} steps" + (f", {number(speed)} tokens/s" if speed else "")
        tiles.append(("training took", duration(training["seconds"]), note))
    if training.get("peak_memory_bytes"):
        where = " ".join(str(facts[key]) for key in ("device", "precision") if facts.get(key))
        tiles.append(("peak memory", size(training["peak_memory_bytes"]), where))
    return tiles


def _tables(report: Report) -> list[dict[str, Any]]:
    """What evaluators say in rows, such as how often a reward model is right when it is so and so sure."""
    return [
        {"title": name, "names": list(rows[0]), "rows": [list(map(number, row.values())) for row in rows]}
        for name, rows in (report.get("tables") or {}).items()
        if rows
    ]


def _account(data: Report) -> dict[str, Any]:
    """What became of the rows: a bar's segments, the reasons, and a line for each source."""
    dropped = data.get("dropped") or {}
    parts = [
        ("trained", "trained on", data.get("trained", 0)),
        ("heldout", "held out", data.get("heldout", 0)),
        ("dropped", "dropped", sum(dropped.values())),
    ]
    read = data.get("read") or 0
    segments = [
        {"kind": kind, "title": title, "rows": rows, "part": rows / read if read else 0.0}
        for kind, title, rows in parts
    ]
    return {"read": read, "segments": segments, "dropped": dropped, "sources": data.get("sources") or ()}


def _timings(report: Report) -> list[dict[str, Any]]:
    phases = report.get("phases") or {}
    longest = max(phases.values(), default=0) or 1
    return [{"title": title, "seconds": seconds, "part": seconds / longest} for title, seconds in phases.items()]


def _date(started: str | None) -> str:
    """`2 March 2026, 09:30 UTC`; a text that is no date is shown as it is."""
    if not started:
        return ""
    try:
        moment = datetime.datetime.fromisoformat(started).astimezone(datetime.UTC)
    except ValueError:
        return started
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _yaml(plan: Any) -> str:
    import yaml

    return yaml.safe_dump(plan, sort_keys=False, allow_unicode=True, width=100) if plan else ""
