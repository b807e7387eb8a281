"""Samples for the page: cut where they are long, with what differs from the wanted answer marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ftcore_plugins.html.config import HtmlConfig
from ftcore_plugins.metrics.comparison import samples
from ftcore_plugins.metrics.words import shown

Pieces = list[tuple[str, bool]]
"""A text in pieces, each with whether it differs from the wanted answer."""


def sample_views(report: Mapping[str, Any], settings: HtmlConfig) -> list[dict[str, Any]]:
    """The first samples, in the report's order: showing the best ones would say less."""
    return [_sample(sample, settings.characters) for sample in samples(report)[: settings.samples]]


def _sample(sample: Mapping[str, Any], limit: int) -> dict[str, Any]:
    wanted = sample.get("reference")
    return {
        "prompt": shown(sample.get("prompt", ""), limit),
        "wanted": None if wanted is None else shown(wanted, limit),
        "before": _answer(sample.get("before"), wanted, limit),
        "after": _answer(sample.get("after"), wanted, limit),
    }


def _answer(text: str | None, wanted: str | None, limit: int) -> dict[str, Any] | None:
    if text is None:
        return None
    if not text:
        return {"pieces": [], "matches": wanted == ""}
    if wanted is None:
        return {"pieces": [(shown(text, limit), False)], "matches": None}
    if text.strip() == wanted.strip():
        return {"pieces": [(shown(text, limit), False)], "matches": True}
    return {"pieces": differences(shown(text, limit), shown(wanted, limit)), "matches": False}


def differences(text: str, wanted: str) -> Pieces:
    """`text` in pieces, word by word against `wanted`. With next to nothing in common no piece is marked.

    >>> differences("a red car", "a blue car")
    [('a ', False), ('red', True), (' car', False)]
    """
    ours, theirs = _words(text), _words(wanted)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.ratio() < 0.5:
        return [(text, False)]
    pieces = ((("".join(ours[i:j])), tag != "equal") for tag, i, j, _, _ in matcher.get_opcodes())
    return [(piece, differs) for piece, differs in pieces if piece]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)
