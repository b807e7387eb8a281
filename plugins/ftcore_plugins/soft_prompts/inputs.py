"""What lets a model with virtual tokens be called like one without: logits for its tokens, the same however padded.

PEFT puts the virtual tokens in front. It then answers for them too, and counts the padding of a row between them and
its text as positions, so that the same row answers otherwise in another batch.
"""

from __future__ import annotations

import warnings
from typing import Any

from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcore.errors import ModelError


def fit(model: PeftModel) -> None:
    """Hang the corrections on the model. They are nothing but hooks, so the model stays PEFT's."""
    # PEFT drops the positions that `generate` gives, saying so; they are put back below.
    warnings.filterwarnings("ignore", message="Position ids are not supported for parameter efficient tuning")
    count_by_mask(model.get_base_model())
    model.register_forward_hook(_without_virtual_tokens, with_kwargs=True)


def count_by_mask(base: PreTrainedModel) -> None:
    """Let the model count positions by the attention mask wherever it is not told them."""
    base.register_forward_pre_hook(_with_positions, with_kwargs=True)


def _with_positions(base: PreTrainedModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The mask (rows, all tokens so far) covers the virtual tokens too."""
    mask = kwargs.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.dim() != 2:
        return None
    _must_have_room(base, mask.shape[1])
    if kwargs.get("position_ids") is not None:
        return None
    length = _length(args, kwargs)
    kwargs["position_ids"] = (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -length:]
    return args, kwargs


def _without_virtual_tokens(_model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    """Logits of the text alone, (rows, tokens of the text, vocabulary). Whoever has them made for chosen tokens
    only has left the virtual ones out already, and gets another shape."""
    logits, length = getattr(output, "logits", None), _length(args, kwargs)
    if logits is not None and logits.dim() == 3 and logits.shape[1] > length:
        output.logits = logits[:, -length:]
    return output


def _length(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    given = kwargs.get("inputs_embeds")
    given = kwargs.get("input_ids") if given is None else given
    return int((args[0] if given is None else given).shape[1])


def _must_have_room(base: PreTrainedModel, tokens: int) -> None:
    """Raise ModelError beyond the positions that the model has learned; rotary ones (Llama) have no end."""
    limit = base.config.max_position_embeddings if hasattr(base.config, "n_positions") else tokens
    if tokens > limit:
        raise ModelError(
            f"{tokens} tokens, the virtual ones among them, are more than the {limit} positions of the model",
            fix="fewer of either: --train.max_length or --method.tokens",
        )
