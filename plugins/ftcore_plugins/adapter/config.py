"""Settings of bottleneck adapters."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from ftcore.errors import did_you_mean
from ftcore.settings import Settings


def _block_numbers(value: Any) -> Any:
    """`0-3,8`, in a list or as one text, is [0, 1, 2, 3, 8]."""
    parts = value if isinstance(value, list) else str(value).split(",")
    words = [str(part).strip() for part in parts]
    if words == ["all"]:
        return "all"
    return sorted({number for word in words for number in _range(word)})


def _range(word: str) -> range:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
    if not found:
        known = did_you_mean(word, ["all"])
        raise ValueError(f"all, or block numbers from 0 on and ranges of them such as 0-3,8; not {word!r}{known}")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError(f"the range {word} is empty; {last}-{first} is not")
    return range(first, last + 1)


class AdapterConfig(Settings):
    """An adapter adds scale · (W_up · f(W_down · x + b_down) + b_up): f is the nonlinearity, W_up starts at zero."""

    variant: Literal["houlsby", "pfeiffer", "parallel"] = "parallel"
    """Where adapters stand: `houlsby`, one behind the attention and one behind the MLP of each block
    (https://arxiv.org/abs/1902.00751); `pfeiffer`, behind the MLP only (https://arxiv.org/abs/2005.00247);
    `parallel`, beside the MLP, reading what that reads (https://arxiv.org/abs/2110.04366)."""

    reduction_factor: Annotated[int, Field(ge=1)] = 16
    """How many times narrower than the model the bottleneck is: less holds more, and costs more memory."""

    nonlinearity: Literal["relu", "gelu", "silu", "tanh", "sigmoid", "elu", "leaky_relu", "mish", "softplus"] = "relu"
    """What stands in the bottleneck, by its name in torch."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the bottleneck that is dropped in training."""

    scale: Literal["learned"] | float | None = None
    """What an adapter's answer is multiplied by before it is added; `learned` begins at 1 and trains, one number an
    adapter. Left out: 4 for `parallel`, as in its paper, and 1 for the others."""

    layers: Annotated[Literal["all"] | list[int], BeforeValidator(_block_numbers)] = "all"
    """Blocks that get adapters: `all`, or numbers from 0 on and ranges of them, such as `0-3,8`."""

    @field_validator("scale")
    @classmethod
    def _positive(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, float) and not 0 < value < math.inf:
            raise ValueError("a number above 0, or learned")
        return value

    @property
    def chosen_scale(self) -> float | Literal["learned"]:
        if self.scale is not None:
            return self.scale
        return 4.0 if self.variant == "parallel" else 1.0
