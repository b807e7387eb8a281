"""What transformers' optimizers need beyond torch, known without importing any of them.

An optimizer that cannot be made, or whose memory no checkpoint could hold, is refused on the plan: otherwise a run
would end when its model is loaded, or after its first checkpoint.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

from ftcore.errors import ResourceError, UsageError, closest

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


@cache
def known() -> tuple[str, ...]:
    """The names in the source of transformers, whose module would import torch; none where it does not stand there."""
    found = importlib.util.find_spec("transformers")
    if found is None or found.origin is None:
        return ()
    text = Path(found.origin).with_name("training_args.py").read_text(encoding="utf-8")
    listed = re.search(r"^class OptimizerNames\b.*?(?=^\S)", text, re.M | re.S)
    return tuple(re.findall(r'^    [A-Z\d_]+ = "(\w+)"', listed[0], re.M)) if listed else ()


def refusal(optimizer: str) -> UsageError | ResourceError | None:
    """Why this optimizer cannot train here, or None."""
    if known() and optimizer not in known():
        near = next((name for name in known() if name.startswith(optimizer)), None) or closest(optimizer, known())
        return UsageError(
            f"there is no optimizer {optimizer!r}" + (f" (did you mean {near!r}?)" if near else ""),
            where="train.optimizer",
            more=[] if near else [f"transformers has {', '.join(known())}"],
            fix=f"--train.optimizer {near or 'adamw_torch'}",
        )
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
