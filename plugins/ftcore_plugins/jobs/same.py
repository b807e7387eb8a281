"""What differs between run files, setting by setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ftcore.errors import short

Plans = Mapping[str, Mapping[str, Any]]
"""Run files by the name that their run has in the comparison."""


def differences(plans: Plans, wanted: Sequence[str]) -> Iterator[str]:
    """`train.steps is 2 for lora, 4 for full`, for each of the wanted settings in which the plans are not all equal.

    Of components that differ, only their names: what one of them has for settings, the other has not.
    """
    flat = {name: dict(flattened(plan)) for name, plan in plans.items()}
    keys = dict.fromkeys(key for values in flat.values() for key in values)
    found = {key: list(differing(key, {name: values.get(key) for name, values in flat.items()})) for key in keys}
    unlike = [key.removesuffix("name") for key, lines in found.items() if key.endswith(".name") and lines]
    for key, lines in found.items():
        is_wanted = any(key == prefix or key.startswith(f"{prefix}.") for prefix in wanted)
        if is_wanted and (key.endswith(".name") or not key.startswith(tuple(unlike))):
            yield from lines


def differing(what: str, values: Mapping[str, Any]) -> Iterator[str]:
    """One line when the values are not all equal, each value with the names of those that have it."""
    texts = {name: str(value) for name, value in values.items()}
    if len(set(texts.values())) > 1:
        parts = [
            f"{short(text, 40)} for {', '.join(name for name in texts if texts[name] == text)}"
            for text in dict.fromkeys(texts.values())
        ]
        yield f"{what} is {', '.join(parts)}"


def contents_differ(what: str, fingerprints: Mapping[str, Any]) -> Iterator[str]:
    """One line when the fingerprints are not all equal, which says whose content is the same and shows no hash."""
    groups: dict[str, list[str]] = {}
    for name, fingerprint in fingerprints.items():
        groups.setdefault(str(fingerprint), []).append(name)
    if len(groups) > 1:
        yield f"{what} is one for {', another for '.join(', '.join(names) for names in groups.values())}"


def flattened(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every single setting by its dotted key: `data.0.format`."""
    if isinstance(value, Mapping):
        children: Any = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    else:
        yield prefix, value
        return
    for key, child in children:
        yield from flattened(child, f"{prefix}.{key}" if prefix else str(key))
