"""What transformers' optimizers need beyond torch, known without importing any of them.

An optimizer that cannot be made, or whose memory no checkpoint could hold, is refused on the plan: otherwise a run
would end when its model is loaded, or after its first checkpoint.
"""

from __future__ import annotations

import importlib.util
import re

from ftcore.errors import ResourceError, UsageError

_PACKAGES = (
    (r".*bnb.*|paged_.*|lion_.*|ademamix.*|adamw_8bit", "bitsandbytes", "bitsandbytes"),
    (r"schedule_free_.*", "schedulefree", "schedulefree"),
    (r"(ada)?lomo", "lomo_optim", "lomo-optim"),
    (r"adamw_torch_xla", "torch_xla", "torch_xla"),
    (r"adamw_torch_npu_fused", "torch_npu", "torch_npu"),
    (r"adamw_anyprecision", "torchdistx", "torchdistx"),
)
"""By the names' pattern: what is imported, and what installs it."""

_UNKEPT = (
    (r"(galore|apollo)_.*_layerwise", "it steps inside of the backward pass and gives its memory to nobody"),
    (r"galore_.*|apollo_.*", "it remembers projections as Python objects"),
    (r"adamw_torch_[48]bit|grokadamw|stable_adamw", "it remembers objects of its own"),
)
"""By the names' pattern: why a checkpoint, which holds tensors and numbers but no pickle, cannot hold its memory."""


def refusal(optimizer: str) -> UsageError | ResourceError | None:
    """Why this optimizer cannot train here, or None. Names that transformers does not know are not judged."""
    for pattern, reason in _UNKEPT:
        if re.fullmatch(pattern, optimizer):
            return UsageError(
                f"a run with the optimizer {optimizer!r} could not be resumed: {reason}",
                where="train.optimizer",
                fix="--train.optimizer adamw_bnb_8bit, or --method lisa",
            )
    for pattern, package, requirement in _PACKAGES:
        if re.fullmatch(pattern, optimizer) and importlib.util.find_spec(package) is None:
            return ResourceError(
                f"the optimizer {optimizer!r} needs the package {package}, which is not installed",
                where="train.optimizer",
                fix=f"pip install {requirement}",
            )
    return None
