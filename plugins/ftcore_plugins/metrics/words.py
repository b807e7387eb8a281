"""How the numbers and texts of a run are written for people, at the terminal and in the report alike.

Texts come from data sets and models and are hostile until shown harmless; marking them up is left to the caller.
"""

from __future__ import annotations

import math
import re

NONE = "–"

# Control characters but line feed and tab; characters that are invisible or turn the direction of writing; halves of
# surrogate pairs. The joiners U+200C and U+200D stay: Persian, Hindi and many emoji are written with them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def shown(text: object, limit: int | None = None, one_line: bool = False) -> str:
    """The text with everything invisible written as an escape (`\\x1b`), cut with a marker after `limit` characters.

    >>> shown("a\\x1b[2J")
    'a\\\\x1b[2J'
    """
    text = str(text)
    left_out = len(text) - limit if limit else 0
    if left_out > 0:
        text = text[:limit]
    text = _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    if one_line:
        text = text.replace("\n", "\\n").replace("\t", "\\t")
    return f"{text} … {left_out:,} more characters" if left_out > 0 else text


def number(value: float | None) -> str:
    """About four digits: `2.31`, `12,346`, `2e-4`."""
    if value is None:
        return NONE
    if not math.isfinite(value) or value == 0:
        return "0" if value == 0 else str(float(value))
    if not 1e-3 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{_trimmed(mantissa)}e{int(exponent)}"
    return _trimmed(f"{value:,.{max(0, 3 - math.floor(math.log10(abs(value))))}f}")


def share(value: float | None) -> str:
    """A share between 0 and 1 as a percentage: `90.6 %`."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{_trimmed(f'{100 * value:.1f}')} %"


def count(value: float | None) -> str:
    """`41,200`."""
    return NONE if value is None else f"{int(value):,}"


def short_count(value: float) -> str:
    """`134.5 M`."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{_trimmed(f'{value / size:.1f}')} {unit}"
    return f"{value:.0f}"


def size(num_bytes: float | None) -> str:
    """Bytes, by thousands: `1.2 GB`."""
    if num_bytes is None:
        return NONE
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= factor:
            return f"{_trimmed(f'{num_bytes / factor:.1f}')} {unit}"
    return f"{num_bytes:.0f} B"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `25 s`, `3 min 30 s`, `2 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 59.95:
        return f"{_trimmed(f'{seconds:.1f}')} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def counted(value: float, noun: str) -> str:
    """`1 row`, `320 rows`."""
    return f"{count(value)} {noun}" if value == 1 else f"{count(value)} {noun}s"


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
