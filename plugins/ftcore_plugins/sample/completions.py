"""Answers drawn from a finished run, some prompts at a time. One model is in memory at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftcore.manager import PluginManager
from ftcore.run.generate import MAX_ROWS, draw
from ftcore.run.reload import reload
from ftcore.types import ChatExample


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn. `temperature` 0 is greedy; `top_p` is the nucleus of Holtzman et al., 2020."""

    n: int
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int


def completions(
    folder: Path, manager: PluginManager, asked: Sequence[ChatExample], sampling: Sampling
) -> Iterator[list[str]]:
    """The `n` answers to each prompt, in their order. Raises UsageError or ModelError for what is no finished run."""
    import torch

    from ftcore.run.border import prompt_ids, render_prompt

    tuned = reload(folder, manager, head="lm")
    template = getattr(tuned.plan.strategy.settings, "template", "auto")
    texts = [render_prompt(chat.turns, chat.tools, tuned.tokenizer, template) for chat in asked]
    rows = [prompt_ids(text, tuned.tokenizer, template) for text in texts]
    # A nucleus that holds no second token is the greedy choice.
    chance = (sampling.temperature, sampling.top_p) if sampling.temperature > 0 else (1.0, 1e-9)
    torch.manual_seed(sampling.seed)
    at_once = max(1, MAX_ROWS // sampling.n)
    for start in range(0, len(rows), at_once):
        repeated = [row for row in rows[start : start + at_once] for _ in range(sampling.n)]
        texts = [written.text.strip() for written in draw(tuned, repeated, sampling.max_new_tokens, *chance)]
        yield from (texts[index : index + sampling.n] for index in range(0, len(texts), sampling.n))
