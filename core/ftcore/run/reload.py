"""A finished run as a model again, for `chat`, `merge` and whoever builds on it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError
from ftcore.manager import PluginManager
from ftcore.protocols import TuningMethod
from ftcore.run.checkpoint import load_tensors
from ftcore.run.finished import plan_of, require_intact
from ftcore.run.load import attached, load_model, load_tokenizer
from ftcore.run.plan import Plan
from ftcore.run.quiet import quiet
from ftcore.types import Precision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned model in eval mode, and what it came from."""

    plan: Plan
    method: TuningMethod
    model: Any
    tokenizer: PreTrainedTokenizerBase


def reload(folder: Path, manager: PluginManager, dtype: str | None = None, head: str | None = None) -> Tuned:
    """The model of a finished run. `dtype` overrides the precision (`float32` for merging).

    `head` is what the caller needs: `lm` for a model that writes, `score` for one that scores, None for either.
    Raises UsageError for a folder that is no finished run or whose model is of the other sort, ModelError for one whose
    artifact has changed.
    """
    plan = plan_of(folder, manager, head)
    artifact = folder / "model"
    require_intact(folder)
    quiet()
    if dtype:
        plan = dataclasses.replace(plan, precision=Precision(dtype))
    method = plan.method.build()
    if plan.method.spec.artifact == "adapter":
        tokenizer, _ = load_tokenizer(plan.model.build())
        model = _adapted(plan, method, artifact, tokenizer)
    else:
        model, tokenizer = _whole(plan, artifact)
    return Tuned(plan, method, model.eval(), tokenizer)


def _adapted(plan: Plan, method: TuningMethod, artifact: Path, tokenizer: PreTrainedTokenizerBase) -> Any:
    from ftcore.run.head import under_head

    base = load_model(plan, plan.model.build(), plan.backend.build(), method)
    model = attached(plan, method, under_head(plan.strategy.spec.head, base, tokenizer))
    try:
        method.load_state(model, load_tensors(artifact / ADAPTER))
    except ValueError as error:
        raise ModelError(f"the adapter does not fit the model: {error}", where=str(artifact)) from None
    return model


def _whole(plan: Plan, artifact: Path) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    model = whole_model(plan, artifact, plan.precision.weights, plan.backend.build().device())
    return model, AutoTokenizer.from_pretrained(str(artifact), trust_remote_code=False)


def whole_model(plan: Plan, folder: Path, dtype: str = "float32", device: str = "cpu") -> Any:
    """The model that stands alone in a folder, under the head that the plan's strategy gave it."""
    import torch

    from ftcore.run.head import in_full_precision

    model = _kind(plan).from_pretrained(
        str(folder),
        dtype=getattr(torch, dtype),
        device_map={"": device},
        trust_remote_code=False,
        use_safetensors=True,
    )
    return in_full_precision(model) if plan.strategy.spec.head == "score" else model


def outline(plan: Plan, folder: Path) -> Any:
    """The same on the device `meta`, by the folder's config.json alone: names and shapes, and no numbers."""
    import torch
    from transformers import AutoConfig

    with torch.device("meta"):
        return _kind(plan).from_config(AutoConfig.from_pretrained(str(folder), trust_remote_code=False))


def _kind(plan: Plan) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    return AutoModelForSequenceClassification if plan.strategy.spec.head == "score" else AutoModelForCausalLM
