"""Layers by name: from the words of a user to what PEFT takes, and from the layers that were hit to a short list."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from torch import nn

from ftcore.errors import UsageError, did_you_mean


def chosen(model: nn.Module, words: str | list[str]) -> str | list[str]:
    """Names as PEFT takes them; regular expressions joined to one, since it takes one only. A single word such as
    `all-linear` is PEFT's own. Raises UsageError for a word that no layer answers to."""
    if isinstance(words, str):
        return words
    words = [existing(model, word, "method.targets") for word in words]
    if all(re.fullmatch(r"[\w.]+", word) for word in words):
        return words
    return "|".join(rf"(?:.*\.)?(?:{word})" for word in words)


def existing(model: nn.Module, word: str, where: str) -> str:
    """The word, if the model has a module of that name or path. Raises UsageError naming the linear layers."""
    if any(is_meant(word, name) for name, _ in model.named_modules()):
        return word
    kinds = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    raise UsageError(
        f"the model has no layer {word!r}{did_you_mean(word, kinds)}",
        where=where,
        more=["linear layers: " + ", ".join(sorted(kinds))],
        fix=f"--{where} {sorted(kinds)[0]}" if kinds else None,
    )


def is_meant(word: str, path: str) -> bool:
    """Whether the word, which may be a regular expression, is the whole path or its end."""
    return bool(re.fullmatch(rf"(?:.*\.)?(?:{word})", path))


def shortened(model: nn.Module, paths: Collection[str]) -> list[str]:
    """The layers at these paths, sorted: by the last part of their names where that is enough, else by their paths."""
    words = {path.rpartition(".")[2] for path in paths}
    named = {name for name, _ in model.named_modules() if name.rpartition(".")[2] in words}
    return sorted(words if named == set(paths) else paths)


def in_order(words: Iterable[str] | None) -> list[str] | None:
    """Sorted, since the order of a set changes from process to process, and the saved file should not."""
    return sorted(words) if words else None
