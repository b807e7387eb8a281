"""A language model with its head taken off and another put on: one score for a whole text, for a reward model.

The body is the one that was loaded, in whatever precision or number of bits; only the new head's weights are drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ftcore.errors import ModelError, PluginError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HEAD = "score"
"""What transformers calls the head of a decoder that classifies."""

LANGUAGE_MODELS_OWN = {"generation_config", "vocab_size"}


class ScoreHead(nn.Linear):
    """One number from a state, held and computed in float32: rounded to bfloat16, two good answers get the same."""

    def forward(self, states: Tensor) -> Tensor:
        """(…, width) → (…, 1)."""
        with torch.autocast(states.device.type, enabled=False):
            return super().forward(states.to(self.weight.dtype))


def under_head(head: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model as a strategy's record asks for it by `head`. Raises PluginError for a head that there is not."""
    if head == "lm":
        return model
    if head == "score":
        return with_score_head(model, tokenizer)
    raise PluginError(f"there is no head {head!r} to put on a model; there are lm and score", fix='head="score"')


def with_score_head(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A reward model: the body of `model` under a new head, which is drawn at random as transformers draws it.

    Its `logits` are the scores, (rows, 1), read off at each row's last token that is no padding. Raises ModelError for
    an architecture that transformers has no such model of.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as CLASSIFIERS

    kind = CLASSIFIERS.get(type(model.config), None)
    if kind is None:
        raise _none(model)
    model.config.num_labels = 1
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    with torch.device("meta"):
        scored = kind(model.config)
    body = scored.base_model_prefix
    if type(getattr(scored, body, None)) is not type(model.base_model) or not hasattr(scored, HEAD):
        raise _none(model)
    setattr(scored, body, model.base_model)
    setattr(scored, HEAD, _drawn(scored, model))
    # Quantisation, device map and the like are noted on the model itself.
    missing = vars(model).keys() - vars(scored).keys() - LANGUAGE_MODELS_OWN
    vars(scored).update({name: vars(model)[name] for name in missing})
    return scored.train(model.training)


def in_full_precision(scored: PreTrainedModel) -> PreTrainedModel:
    """The same model, its score computed in float32 whatever precision it was loaded in."""
    setattr(scored, HEAD, _like(getattr(scored, HEAD)))
    return scored


def _drawn(scored: Any, model: PreTrainedModel) -> ScoreHead:
    head = getattr(scored, HEAD).to_empty(device=model.device)
    scored._init_weights(head)
    return _like(head)


def _like(linear: nn.Linear) -> ScoreHead:
    device = linear.weight.device
    head = ScoreHead(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
    state = {name: tensor.float() for name, tensor in linear.state_dict().items()}
    head.load_state_dict(state, assign=True)
    return head.to(device)


def _none(model: PreTrainedModel) -> ModelError:
    return ModelError(
        f"transformers has no reward model of the architecture {type(model).__name__}", fix="--model demo"
    )
