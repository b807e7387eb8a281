"""The mapping `columns` of a data entry: where a format finds what it looks for, and a guess when nobody said.

It knows names and shapes of columns only; what a row means is the business of formats.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any

from ftcore.errors import did_you_mean

_TEMPLATE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
_DEPTH = 6
"""Levels of nesting in which a suggestion is looked for."""


def apply(columns: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that holds the mapped names only.

    Each value of `columns` is a column, a path such as `answers.0.text`, or a template such as `{title}: {body}`
    (`{{` and `}}` are braces). Raises ValueError naming the column that the row lacks.

    >>> apply({"prompt": "{title}: {body}", "completion": "labels.0"}, {"title": "A", "body": "b", "labels": ["x"]})
    {'prompt': 'A: b', 'completion': 'x'}
    """
    return {name: _lookup(place, row) for name, place in columns.items()}


TEXT_LIKE = (str, int, float, Decimal, date, time)
"""Cells that stand for text: a table's numbers, decimals, dates (with a time or without) and times of day."""


def as_text(value: Any) -> str:
    """A cell as it is put into text: numbers without a trailing `.0`, dates as in ISO 8601, nothing for null, lists and
    objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def as_flag(columns: Mapping[str, str]) -> str:
    """The mapping as flags to copy.

    >>> as_flag({"prompt": "user text", "completion": "label"})
    "--data.columns 'prompt=user text' --data.columns completion=label"
    """
    return " ".join(f"--data.columns {shlex.quote(f'{name}={place}')}" for name, place in columns.items())


TAKES = {
    "chat": ("prompt", "completion"),
    "preference": ("prompt", "chosen", "rejected"),
    "feedback": ("prompt", "completion", "label"),
}
"""The plainest columns of a kind of example, for whoever has others."""

COLUMN = "COLUMN"


def telling(row: Mapping[str, Any]) -> list[str]:
    """The columns that may mean something to a format; an id, a date or a source does not."""
    return [name for name in row if not _IGNORED.search(name)]


def wanted(kind: str, row: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The mapping that would make such examples, to be completed by the user; {} where the row has too few columns.

    What the user has mapped already is kept.

    >>> wanted("preference", {"question": "Hi", "good": "Hello!", "rejected": "What?"}, {})
    {'prompt': 'question', 'chosen': 'COLUMN', 'rejected': 'rejected'}
    """
    names = TAKES.get(kind, ())
    if len(telling(row)) < len(names):
        return {}
    asked = next((name for name in ("prompt", *_PROMPT_NAMES, *_TALKS) if name in row), COLUMN)
    own = {"prompt": asked, **{name: name for name in row}, **given}
    return {name: own.get(name, COLUMN) for name in names}


# Looking up -----------------------------------------------------------------------------------------------------------


def _lookup(place: str, row: Mapping[str, Any]) -> Any:
    if place in row:
        return row[place]
    if _TEMPLATE.search(place):
        return _TEMPLATE.sub(lambda match: _filled(match, row), place)
    return _follow(place, row)


def _filled(match: re.Match[str], row: Mapping[str, Any]) -> str:
    inner = match.group(1)
    return match.group()[0] if inner is None else as_text(_lookup(inner, row))


def _follow(path: str, row: Mapping[str, Any]) -> Any:
    value: Any = row
    walked: list[str] = []
    for part in path.split("."):
        value = _step(value, part, path, ".".join(walked))
        walked.append(part)
    return value


def _step(value: Any, part: str, path: str, walked: str) -> Any:
    inside = f" in {walked!r}" if walked else ""
    if isinstance(value, Mapping):
        if part in value:
            return value[part]
        names = [str(name) for name in value]
        held = "it has" if walked else "the row has"
        whole = f" ({path!r})" if walked else ""
        raise ValueError(
            f"there is no column {part!r}{inside}{whole}{did_you_mean(part, names)}; {held} "
            f"{', '.join(map(repr, names)) or 'none'}"
        )
    if isinstance(value, (list, tuple)):
        if not re.fullmatch(r"\d+", part):
            raise ValueError(f"{walked!r} is a list, so {path!r} needs a number there, such as '{walked}.0'")
        if int(part) < len(value):
            return value[int(part)]
        raise ValueError(f"the list {walked!r} has {len(value)} items in this row, so there is no {path!r}")
    shown = "null" if value is None else f"a {type(value).__name__}"
    raise ValueError(f"{walked!r} is {shown} in this row, so there is no {path!r}")


# Suggesting -----------------------------------------------------------------------------------------------------------

_PROMPT_NAMES = (
    "instruction", "instructions", "question", "prompt", "query", "problem", "utterance", "sentence", "text", "input",
    "body", "content", "message", "request", "document", "article", "source", "turns", "value", "review", "tweet",
    "comment", "en", "english", "title",
)  # fmt: skip
_ANSWER_NAMES = (
    "completion", "answer", "output", "response", "reply", "target", "label", "intent", "category", "class", "correct",
    "solution", "canonical_solution", "answers", "outputs", "responses", "replies", "targets", "labels", "summary",
    "sentiment", "label_text", "gold", "translation",
)  # fmt: skip
_TALKS = ("messages", "conversations", "conversation", "dialog", "dialogue")
_CONTEXT_NAMES = ("context", "passage", "premise", "body", "paragraph", "document", "article", "story")
_ASKING_NAMES = ("question", "query", "hypothesis")
_IGNORED = re.compile(
    r"(^|[._ ])(id|ids|uid|uuid|guid|idx|index|url|uri|lang|language|role|date|time|timestamp|created|updated|author|"
    r"user|model|model_name|rank|version|hash|path|file|split|license|source_dataset|deleted|synthetic|state|weight)$"
    r"|_id$|_url$|_at$|_count$|_state$",
    re.IGNORECASE,
)
_GOOD_SHARE = 0.95
"""A column counts when at least this share of the sample rows has something in it."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What the sample says about one place in the rows."""

    path: str
    filled: float
    present: float
    texts: tuple[str, ...]
    is_text: bool

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(part.lower() for part in self.path.split(".") if not part.isdigit()) or (self.path,)

    @property
    def length(self) -> float:
        return sum(map(len, self.texts)) / max(1, len(self.texts))

    @property
    def distinct(self) -> int:
        return len(set(self.texts))

    def hint(self, names: Sequence[str]) -> float:
        """How much the name speaks for a side: its last part most, an earlier name in the list more, depth against."""
        ranks = [1 - names.index(word) / 100 if word in names else 0.0 for word in self.words]
        score = 4 * ranks[-1] + sum(ranks[:-1])
        return score - 0.1 * self.path.count(".") if score else 0.0


def suggest(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The mapping that would most likely make examples of rows that no format recognised; {} without any idea.

    Names decide first, then statistics: an answer is short and drawn from few, a prompt is long. Nothing is suggested
    for rows that compare or judge answers, since learning one half of them would teach the wrong thing, nor for
    conversations, which no renaming of columns mends.

    >>> suggest([{"sentence": "fine work", "label": 1}, {"sentence": "a bore", "label": 0}])
    {'prompt': 'sentence', 'completion': 'label'}
    """
    if any(map(_is_beyond_mapping, rows[:100])):
        return {}
    leaves = _leaves(rows[:100])
    usable = [leaf for leaf in leaves if leaf.filled >= _GOOD_SHARE and not _IGNORED.search(leaf.path)]
    texts = [leaf for leaf in usable if leaf.is_text]
    if not texts:
        return {}
    answer = _answer(usable, texts)
    prompts = [leaf for leaf in texts if answer is None or leaf.path != answer.path]
    if answer is None and len(usable) == len(texts) == 2:  # two columns of text: what is asked stands first
        return {"prompt": texts[0].path, "completion": texts[1].path}
    if answer is None or not prompts:
        return {"text": _prompt(texts).path}
    prompt = _prompt(prompts, asked=True)
    if prompt.words[-1] in {"instruction", "instructions"}:
        extra = _input(leaves, prompt, answer)
        return {"instruction": prompt.path, **({"input": extra.path} if extra else {}), "output": answer.path}
    return {"prompt": _with_context(prompt, prompts), "completion": answer.path}


def _is_beyond_mapping(row: Mapping[str, Any]) -> bool:
    if {"chosen", "rejected"} & row.keys():
        return True
    if isinstance(row.get("label"), bool) and set(_ANSWER_NAMES) & (row.keys() - {"label"}):
        return True
    talks = map(row.get, _TALKS)
    return any(isinstance(talk, list) and talk and isinstance(talk[0], Mapping) for talk in talks)


def _leaves(rows: Sequence[Mapping[str, Any]]) -> list[_Leaf]:
    """Every place with a scalar in it, in the order in which the rows show them."""
    flat = [dict(_flatten(row)) for row in rows]
    paths = dict.fromkeys(path for row in flat for path in row)
    found = []
    for path in paths:
        values = [row[path] for row in flat if path in row]
        texts = tuple(text for text in map(as_text, values) if text.strip())
        is_text = all(isinstance(value, (str, type(None))) for value in values) and not all(map(_is_number, texts))
        found.append(_Leaf(path, len(texts) / len(rows), len(values) / len(rows), texts, is_text))
    return found


def _flatten(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > _DEPTH:
        return
    prefix = f"{path}." if path else ""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(inner, f"{prefix}{name}", depth + 1)
    elif isinstance(value, (list, tuple)):
        if value:
            yield from _flatten(value[0], f"{prefix}0", depth + 1)
    elif value is None or isinstance(value, TEXT_LIKE):
        yield path, value


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", text))


def _answer(usable: Sequence[_Leaf], texts: Sequence[_Leaf]) -> _Leaf | None:
    hinted = [leaf for leaf in usable if set(leaf.words) & set(_ANSWER_NAMES)]
    if hinted:
        return max(hinted, key=lambda leaf: leaf.hint(_ANSWER_NAMES))
    longest = max(leaf.length for leaf in texts)
    short = [leaf for leaf in usable if _is_label(leaf) and leaf.length < longest / 2]
    several = [leaf for leaf in short if leaf.distinct > 1]
    if several:
        return min(several, key=lambda leaf: (leaf.distinct, leaf.length))
    return short[0] if short and len(usable) == 2 else None  # a file sorted by label starts with one label only


def _is_label(leaf: _Leaf) -> bool:
    """Short, and drawn from few: a class rather than a text of its own."""
    few = leaf.distinct <= max(2, len(leaf.texts) * 0.7)
    return few and leaf.length <= 40 and not leaf.path.endswith(".0")


def _prompt(texts: Sequence[_Leaf], asked: bool = False) -> _Leaf:
    """The best name wins. Without any, what is asked is the first free text, and a text alone is the longest."""
    best = max(texts, key=lambda leaf: leaf.hint(_PROMPT_NAMES))
    if best.hint(_PROMPT_NAMES) > 0:
        return best
    free = [leaf for leaf in texts if leaf.length >= 15 and not _is_label(leaf)]
    return free[0] if asked and free else max(texts, key=lambda leaf: leaf.length)


def _input(leaves: Sequence[_Leaf], prompt: _Leaf, answer: _Leaf) -> _Leaf | None:
    """The column beside an instruction that may be empty in some rows but is there in all."""
    for leaf in leaves:
        known = leaf.present >= _GOOD_SHARE and leaf.words[-1] in {"input", "inputs", "context"}
        if known and leaf.path not in {prompt.path, answer.path}:
            return leaf
    return None


def _with_context(prompt: _Leaf, prompts: Sequence[_Leaf]) -> str:
    """A question with what it is asked about put before it, as a template."""
    if not set(prompt.words[-1:]) & set(_ASKING_NAMES):
        return prompt.path
    contexts = [leaf for leaf in prompts if leaf is not prompt and leaf.words[-1] in _CONTEXT_NAMES]
    return f"{{{contexts[0].path}}} {{{prompt.path}}}" if contexts else prompt.path
