"""LISA, layerwise importance sampled AdamW (Pan et al. 2024, https://arxiv.org/abs/2403.17919).

LoRA's updates are large in the embedding and the head and small in between. LISA copies that by sampling: embedding,
final norm and head train in every step, each of the N blocks in a share γ/N of the steps. Gradients and the optimizer's
memory exist for what trains at the moment only, so that its peak is that of γ blocks; a block that is drawn again
begins with an empty memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcore.parameters import copy_into, decoder_blocks
from ftcore_plugins.full.method import Full
from ftcore_plugins.lisa.config import LisaConfig


class Lisa(Full):
    """Everything is trainable until training begins, so that the optimizer knows every parameter."""

    config: LisaConfig
    _random: torch.Generator | None = None
    _drawn: Tensor
    """The numbers of the blocks that train, (blocks,)."""

    def attach(self, model: PreTrainedModel) -> nn.Module:
        """Raises ModelError for a model without a stack of equal blocks."""
        decoder_blocks(model)
        return super().attach(model)

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """All parameters: each was drawn before, or may be later."""
        return {name: parameter.detach() for name, parameter in model.named_parameters()}

    def load_state(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        copy_into(self.state(model), state)

    # Between the steps ------------------------------------------------------------------------------------------------

    def begin(self, model: nn.Module, steps: int) -> None:  # noqa: ARG002
        if self._random is None:  # else the run goes on from a checkpoint
            self._random = torch.Generator().manual_seed(torch.initial_seed())  # the run's seed
            self._draw(model)
        self._thaw_the_drawn(model)

    def after_step(self, model: nn.Module, step: int) -> None:
        if step % self.config.every == 0:
            self._draw(model)
            self._thaw_the_drawn(model)

    def progress(self, model: nn.Module) -> dict[str, Tensor]:  # noqa: ARG002
        assert self._random is not None, "checkpoints are written after training has begun"
        return {"drawn": self._drawn, "random": self._random.get_state()}

    def load_progress(self, model: nn.Module, progress: Mapping[str, Tensor]) -> None:  # noqa: ARG002
        self._drawn = progress["drawn"]
        self._random = torch.Generator()
        self._random.set_state(progress["random"])

    def _draw(self, model: nn.Module) -> None:
        self._drawn = torch.randperm(len(decoder_blocks(model)), generator=self._random)[: self.config.blocks]

    def _thaw_the_drawn(self, model: nn.Module) -> None:
        """Freeze all other blocks. Their gradients go too, or an optimizer would go on with the last ones."""
        drawn = set(self._drawn.tolist())
        for number, block in enumerate(decoder_blocks(model)):
            block.requires_grad_(number in drawn)
            if number not in drawn:
                block.zero_grad()
