"""The reward function `model`: a finished reward model, asked for its scores of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import FtcoreError
from ftcore.line import options
from ftcore.run.checkpoint import restore_rng, rng_state
from ftcore.run.finished import plan_of
from ftcore.run.reload import reload, require_safe
from ftcore.types import FeedbackExample, Sample, Turn

if TYPE_CHECKING:
    from ftcore.run.reload import Tuned
    from ftcore_plugins.reward.config import ModelConfig


class ModelReward:
    """The score of each answer behind its conversation, rendered, tokenised and cut as in the reward model's training.

    Scores are comparable between answers to one prompt; where zero is means nothing unless the run said `center`.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._folder = Path(config.run).expanduser().resolve()
        self._batch_size = config.batch_size

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        import torch

        if not samples:
            return []
        judge = _loaded(self._folder)
        rows = [_tokens(judge, sample) for sample in samples]
        found = [0.0] * len(rows)
        with torch.inference_mode():
            for batch in _batches([len(row) for row in rows], self._batch_size):
                scores = judge.model(**_padded([rows[index] for index in batch], judge)).logits.float().squeeze(-1)
                for index, score in zip(batch, scores.tolist(), strict=True):
                    found[index] = score
        return found


def refusal(config: ModelConfig) -> FtcoreError | None:
    """Why the run cannot or must not be asked, found out without loading its model.

    The settings themselves do not look: what was trained by the scores is still used when the judge is gone.
    """
    try:
        folder = Path(config.run).expanduser()
        require_safe(plan_of(folder, options.manager(), "score"), folder / "model")
    except FtcoreError as error:
        return error
    return None


@cache
def _loaded(folder: Path) -> Tuned:
    """The model of the run, once a process. Loading draws random numbers, and a run's own are left as they were.

    Raises UsageError for a run whose model gives no scores.
    """
    state = rng_state()
    try:
        return reload(folder, options.manager(), head="score")
    finally:
        restore_rng(state)


def _tokens(judge: Tuned, sample: Sample) -> list[int]:
    """Prompt and answer. Of what is longer than in training the end of the answer goes, then the prompt's beginning."""
    from ftcore.run.compared import encode

    prompt = sample.turns or (Turn("user", sample.prompt),)
    example = FeedbackExample(prompt, (Turn("assistant", sample.output),), good=True)
    limit, template = judge.plan.train.max_length, getattr(judge.plan.strategy.settings, "template", "chat")
    columns = encode(example, judge.tokenizer, limit, template).columns
    both: list[int] = columns["prompt_ids"] + columns["completion_ids"]
    return both[-limit:]


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Row numbers, rows of like length together, so that little is padded."""
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    return (order[start : start + size] for start in range(0, len(order), size))


def _padded(rows: Sequence[list[int]], judge: Tuned) -> dict[str, Any]:
    import torch

    longest, padding, device = max(map(len, rows)), judge.tokenizer.pad_token_id, judge.model.device
    ids = [row + [padding] * (longest - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }
