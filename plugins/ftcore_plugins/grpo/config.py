"""Settings of GRPO and RLOO."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ftcore.settings import KnownAs
from ftcore_plugins.rollouts.config import Writing


class _Rewarded(Writing):
    """How answers are written, and how far a step may go.

    A step answers `train.batch_size` prompts, each `generations` times. `train.micro_batch_size` answers are learned
    from at once.
    """

    generations: Annotated[int, Field(ge=2), KnownAs("num_generations")] = 4
    """Answers to each prompt, which are compared with each other. More tell better what is good, and take longer."""

    steps_per_generation: Annotated[int, Field(gt=0)] = 1
    """Write answers for so many steps at once. The later ones then learn from answers of an older model, and `clip`
    begins to matter."""

    beta: Annotated[float, Field(ge=0)] = 0.0
    """Price of moving away from the untuned model. With 0 it is not asked at all."""

    clip: Annotated[float, Field(gt=0, lt=1), KnownAs("epsilon")] = 0.2
    """A probability counts as changed by no more than this share since the answer was written: ε."""

    clip_high: Annotated[float | None, Field(gt=0), KnownAs("epsilon_high")] = None
    """The same upward, where rare answers should rise faster (DAPO, arXiv:2503.14476, takes 0.28). Left out: `clip`.
    For the loss `cispo` it is the largest ratio itself (5 in arXiv:2510.13786)."""

    mask_truncated: bool = False
    """Learn nothing from answers that did not end within `max_new_tokens`."""

    use_vllm: bool = False
    """Let vLLM write the answers, on a GPU. It knows plain models and adapters of PEFT."""

    vllm_mode: Literal["colocate", "server"] = "colocate"
    """`colocate` runs vLLM in this process, `server` asks the one at `vllm_server`, started by `trl vllm-serve`."""

    vllm_server: str | None = None
    """Address of that server: `http://HOST:PORT`."""

    vllm_memory: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the GPU's memory that vLLM takes."""


class GrpoConfig(_Rewarded):
    """Group relative policy optimisation (https://arxiv.org/abs/2402.03300)."""

    loss: Literal["dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = "dapo"
    """How tokens are weighed. `dapo`: each token of the step alike (arXiv:2503.14476); `grpo`: each answer alike, as
    in the first paper, which favours short ones; `dr_grpo`: divided by `max_new_tokens`, without bias by length
    (2503.20783); `bnpo`: each token of a micro batch alike. The others do not clip in the same way: `cispo`
    2506.13585, `sapo` 2511.20347, `luspo` 2602.05261, `vespo` 2602.10693."""

    scale: Literal["group", "batch", "none"] = "group"
    """By what the advantage is divided: the standard deviation of the group's rewards, of the step's (2508.08221), or
    nothing (2503.20783)."""

    ratio: Literal["token", "sequence"] = "token"
    """Of what the probability is compared with that when it was written; `sequence` is GSPO (arXiv:2507.18071)."""

    @model_validator(mode="after")
    def _go_together(self) -> GrpoConfig:
        if self.loss == "luspo" and self.ratio != "sequence":
            raise ValueError("the loss luspo weighs whole answers, so it goes with ratio sequence")
        if self.loss == "vespo" and self.ratio != "token":
            raise ValueError("the loss vespo makes its own weights of whole answers, so it goes with ratio token")
        if self.loss == "cispo" and (self.clip_high is None or self.clip_high < 1):
            raise ValueError("the loss cispo bounds the ratio itself, so it needs a clip_high above 1, such as 5")
        return self


class RlooConfig(_Rewarded):
    """REINFORCE leave-one-out (https://arxiv.org/abs/2402.14740). Each nat of divergence from the untuned model costs
    `beta` of the reward."""

    normalize: bool = False
    """Bring the advantages of a step to the mean 0 and the standard deviation 1."""
