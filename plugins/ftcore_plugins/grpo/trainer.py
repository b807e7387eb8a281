"""TRL's GRPOTrainer and RLOOTrainer over ftcore's prompts, generation, rewards, reference and checkpoints.

What is theirs stays theirs: groups, advantages, losses, and how answers are shared among steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor, nn
from trl import GRPOTrainer, RLOOTrainer
from trl.trainer import rloo_trainer
from trl.trainer.utils import add_fused_lm_head

from ftcore.run.border import render_prompt
from ftcore.run.generate import draw, stop_tokens
from ftcore.run.rewards import RewardFunctions
from ftcore.types import ChatExample, Sample
from ftcore_plugins.grpo.prompts import Prompts
from ftcore_plugins.reference.trainer import as_before_training
from ftcore_plugins.rollouts.completions import Completions
from ftcore_plugins.rollouts.rewarding import heldout_loss

if TYPE_CHECKING:
    from ftcore.run.session import Session
    from ftcore_plugins.grpo.config import GrpoConfig, RlooConfig

NAMES = {
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "equal_groups",
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clip_fraction",
    "cispo_clip_ratio": "clip_fraction",
    "completions/mean_length": "answer_tokens",
}
"""TRL's metrics that are shown, and what they are called here."""

DONE, KEPT = "micro_batches", "kept"
"""Names in a checkpoint: how many micro batches are done, and the answers that are yet to be learned from."""


class _Rewarded:
    """Goes before one of TRL's trainers."""

    session: Session
    tokens_read: int

    def __init__(self, *, args: Any, asked: Sequence[tuple[ChatExample, str]], config: GrpoConfig | RlooConfig) -> None:
        session = self.session
        self.asked, self.config = asked, config
        self.functions = RewardFunctions(session.plan.rewards, session.folder)
        self.completions = Completions(session.folder)
        reference = _reference(session, config) if config.beta else None
        texts = [render_prompt(chat.turns, chat.tools, session.tokenizer, config.template) for chat, _ in asked]
        labels = list(self.functions.weights)
        args.reward_weights = list(self.functions.weights.values())
        super().__init__(
            model=session.model,
            args=args,
            reward_funcs=[_Named(label) for label in labels],  # asked below, all at once
            train_dataset=Dataset.from_dict({"prompt": texts, "number": list(range(len(texts)))}),
            processing_class=session.tokenizer,
        )
        self.eos_token_ids = stop_tokens(session.model, session.tokenizer, config.template)
        self.beta, self.ref_model = config.beta, reference

    def _get_train_sampler(self, dataset: Any = None) -> Prompts:
        found: Any = super()._get_train_sampler(dataset)  # type: ignore[misc]
        return Prompts(
            found.data_source, found.mini_repeat_count, found.batch_size, found.repeat_count, seed=found.seed
        )

    # Answers ---------------------------------------------------------------------------------------------------------

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """A template writes its own start token; text without one gets what the tokenizer gives."""
        rows = self.session.tokenizer(prompts, add_special_tokens=self.config.template == "none")["input_ids"]
        return rows, None, {}

    def _write(self, rows: Sequence[list[int]]) -> list[list[int]]:
        config = self.config
        written = draw(self.session, rows, config.max_new_tokens, config.temperature, config.top_p)
        return [answer.ids for answer in written]

    def _calculate_rewards(
        self,
        inputs: Sequence[Mapping[str, Any]],
        _prompts: Any,
        _completions: Any,
        completion_ids: Sequence[list[int]],
    ) -> Tensor:
        """(answers, functions), NaN where a function has nothing to compare with, as TRL has it."""
        asked = [self.asked[row["number"]] for row in inputs]
        self._samples = [
            Sample(chat.turns[-1].content, reference, self._text(ids), chat.turns)
            for (chat, reference), ids in zip(asked, completion_ids, strict=True)
        ]
        self._scores = self.functions.scores(self._samples)
        columns = [[math.nan if score is None else score for score in column] for column in self._scores.values()]
        return torch.tensor(columns, dtype=torch.float32, device=self.args.device).T

    def _text(self, ids: Sequence[int]) -> str:
        end = len(ids) - (ids[-1] in self.eos_token_ids)
        return str(self.session.tokenizer.decode(ids[:end], skip_special_tokens=True))

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        self.tokens_read += int(output["prompt_mask"].sum() + output["completion_mask"].sum())
        answers = [
            {
                "prompt": sample.prompt,
                "completion": sample.output,
                "rewards": {label: column[index] for label, column in self._scores.items()},
                "advantage": float(output["advantages"][index]),
            }
            for index, sample in enumerate(self._samples)
        ]
        self.completions.write(self.state.global_step + 1, answers)
        return output

    # The reference ---------------------------------------------------------------------------------------------------

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(model, _SwitchedOff):
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)  # type: ignore[misc]
        with as_before_training(self.session):
            return super()._get_per_token_logps_and_entropies(self.model, *args, **kwargs)  # type: ignore[misc]

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def progress(self) -> dict[str, Tensor]:
        """Answers may have been written for steps that are still to come."""
        found = {DONE: torch.tensor(self._step)}
        if self._step % self.args.steps_per_generation:
            for number, batch in enumerate(self._buffered_inputs):
                tensors = {name: value for name, value in batch.items() if value is not None}
                found |= {f"{KEPT}.{number}.{name}": value for name, value in tensors.items()}
        return found

    def load_progress(self, progress: Mapping[str, Tensor]) -> None:
        self._step = int(progress[DONE])
        kept: list[dict[str, Tensor]] = [{} for _ in range(self.args.steps_per_generation)]
        for key, value in progress.items():
            if key != DONE:
                _, number, name = key.split(".")
                kept[int(number)][name] = value.to(self.args.device)
        self._buffered_inputs = kept if any(kept) else None

    # What is said of it ----------------------------------------------------------------------------------------------

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """TRL's numbers by the names that other strategies have for them. Some come with new answers only."""
        found = self._metrics["train"]
        means = {key: fmean(kept) for key, column in found.items() if (kept := [v for v in column if v == v])}
        if "loss" in logs:
            logs |= {NAMES[key]: mean for key, mean in means.items() if key in NAMES}
            if "completions/clipped_ratio" in means:
                logs["ended"] = 1 - means["completions/clipped_ratio"]
            labels = self.functions.weights
            said = {f"reward_{label}": means.get(f"rewards/{label}/mean") for label in labels}
            logs |= {name: mean for name, mean in said.items() if mean is not None and len(labels) > 1}
        found.clear()
        super().log(logs, *args, **kwargs)  # type: ignore[misc]

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        return heldout_loss(self.session, self.functions)


class GrpoTrainer(_Rewarded, GRPOTrainer):
    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        if self.use_vllm:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        return self._write(prompt_ids), None


class RlooTrainer(_Rewarded, RLOOTrainer):
    def __init__(self, **inputs: Any) -> None:
        with _no_second_adapter():
            super().__init__(**inputs)

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        if self.use_vllm:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        return self._write(prompt_ids)


@contextmanager
def _no_second_adapter() -> Iterator[None]:
    """RLOO of TRL copies an adapter of PEFT to be the reference, whether or not one is asked. Here the reference is the
    method switched off, and AdaLoRA cannot have two adapters. That is the first thing for which it asks after PEFT."""
    asked, first = rloo_trainer.is_peft_model, [False]
    rloo_trainer.is_peft_model = lambda model: first.pop() if first else asked(model)
    try:
        yield
    finally:
        rloo_trainer.is_peft_model = asked


class _Named:
    """Stands where TRL wants a reward function, of which it takes the name."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, **_: Any) -> list[float]:
        raise AssertionError("reward functions are asked together")


class _SwitchedOff:
    """Stands for the reference model: the model with its method switched off."""


def _reference(session: Session, config: GrpoConfig | RlooConfig) -> _SwitchedOff | nn.Module:
    """The model as it was before training, which it still is while the trainer is built."""
    if session.plan.method.spec.switchable:
        return _SwitchedOff()
    kept = copy.deepcopy(session.model).requires_grad_(False).eval()
    add_fused_lm_head(kept.get_base_model() if isinstance(kept, PeftModel) else kept, temperature=config.temperature)
    return kept
