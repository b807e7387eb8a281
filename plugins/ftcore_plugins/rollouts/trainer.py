"""A transformers Trainer whose steps are rollouts: prompts answered by the model, and the answers rewarded.

What is learned from them is for each strategy to say, in `training_step`. Checkpoints, clipping, the learning rate's
schedule and everything else that happens between steps are as in any other run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import Trainer, TrainingArguments

from ftcore.run.border import prompt_ids, render_prompt
from ftcore.run.generate import draw
from ftcore.run.rewards import RewardFunctions
from ftcore.types import Sample
from ftcore_plugins.rollouts.completions import Completions
from ftcore_plugins.rollouts.prompts import Numbered, asked, numbers
from ftcore_plugins.rollouts.reference import Reference
from ftcore_plugins.rollouts.rewarding import Rewarded, heldout_loss, reward

if TYPE_CHECKING:
    from ftcore.run.session import Session
    from ftcore.types import ChatExample

Side = tuple[list[int], list[int]]
"""The tokens of a prompt and of an answer to it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A step's answers: as tokens, as the reward functions saw them, and what those said."""

    sides: list[Side]
    samples: list[Sample]
    rewarded: Rewarded


class RolloutTrainer(Trainer):  # type: ignore[misc]
    """`config` has the settings of `Writing`, and `missing_eos_penalty`."""

    session: Session
    tokens_read: int

    def __init__(self, *args: Any, asked: Sequence[tuple[ChatExample, str]], config: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked, self.config = asked, config
        self.functions = RewardFunctions(self.session.plan.rewards, self.session.folder)
        self.reference = Reference(self.session)
        self.completions = Completions(self.session.folder)
        self.metrics: dict[str, float] = {}
        """What the log says of the step under way."""

    def answer(self, chosen: Sequence[int]) -> Answers:
        """An answer to each prompt of these numbers, written by the model as it is now, with its reward."""
        config, tokenizer = self.config, self.session.tokenizer
        prompts = [self.asked[number] for number in chosen]
        texts = [render_prompt(chat.turns, chat.tools, tokenizer, config.template) for chat, _ in prompts]
        rows = [prompt_ids(text, tokenizer, config.template) for text in texts]
        written = draw(self.session, rows, config.max_new_tokens, config.temperature, config.top_p)
        samples = [
            Sample(chat.turns[-1].content, reference, answer.text, chat.turns)
            for (chat, reference), answer in zip(prompts, written, strict=True)
        ]
        rewarded = reward(self.functions, samples, written, config.missing_eos_penalty)
        sides = [(row, answer.ids) for row, answer in zip(rows, written, strict=True)]
        self.tokens_read += sum(len(row) + len(answer) for row, answer in sides)
        return Answers(sides, samples, rewarded)

    def keep(self, answers: Answers, columns: Sequence[Mapping[str, Any]] = ()) -> None:
        """Write them down; `columns` are what the strategy has to say of each."""
        rewarded = answers.rewarded
        lines = [
            {"prompt": sample.prompt, "completion": sample.output, "rewards": scores, "reward": total}
            for sample, scores, total in zip(answers.samples, rewarded.scores, rewarded.totals, strict=True)
        ]
        more = columns or [{}] * len(lines)
        self.completions.write(
            self.state.global_step + 1, [{**line, **column} for line, column in zip(lines, more, strict=True)]
        )

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs:
            logs.update(self.metrics)
        super().log(logs, *args, **kwargs)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        return heldout_loss(self.session, self.functions)


def rollout_trainer(trainer: type[RolloutTrainer], session: Session, config: Any) -> Trainer:
    """The guarded trainer of a session, whose steps answer `train.batch_size` prompts each.

    Raises DataError when no row has a prompt.
    """
    prompts = asked(session)
    arguments = {
        **session.arguments(),
        # A step is one rollout, whatever fits into memory at once.
        "per_device_train_batch_size": session.plan.train.batch_size,
        "gradient_accumulation_steps": 1,
        "remove_unused_columns": False,
        "label_names": [],
    }
    guarded: Any = session.guarded(trainer)
    return guarded(  # type: ignore[no-any-return]
        model=session.model,
        args=TrainingArguments(**arguments),
        train_dataset=Numbered(len(prompts)),
        data_collator=numbers,
        asked=prompts,
        config=config,
    )


def pieces(rows: Any, size: int) -> Iterator[Any]:
    """What is in memory at once."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
