"""A finished run as a model again, for `chat`, `merge` and whoever builds on it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError
from ftcore.manager import PluginManager
from ftcore.protocols import TuningMethod
from ftcore.run import load as loaded
from ftcore.run.checkpoint import load_tensors
from ftcore.run.finished import plan_of, require_intact
from ftcore.run.model_files import folder_findings
from ftcore.run.model_folder import load_model, load_tokenizer, read_model, refuse
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
    require_safe(plan, artifact)
    if plan.method.spec.artifact == "adapter":
        loader = plan.model.build()
        tokenizer, _ = loaded.load_tokenizer(loader)
        model = _adapted(plan, method, artifact, tokenizer)
    else:
        model, tokenizer = _whole(plan, artifact)
    return Tuned(plan, method, model.eval(), tokenizer)


def require_safe(plan: Plan, artifact: Path) -> None:
    """Raise PolicyError or ModelError for what speaks against reading the model of a run, or its base."""
    if plan.method.spec.artifact == "adapter":
        refuse(plan.model.build().findings(), plan.model.spec.name)
    elif artifact.is_dir():  # one that is promised comes later
        refuse(folder_findings(artifact, str(artifact)), str(artifact))


def _adapted(plan: Plan, method: TuningMethod, artifact: Path, tokenizer: PreTrainedTokenizerBase) -> Any:
    from ftcore.run.head import under_head

    base = loaded.load_model(plan, plan.model.build(), plan.backend.build(), method)
    model = loaded.attached(plan, method, under_head(plan.strategy.spec.head, base, tokenizer))
    try:
        method.load_state(model, load_tensors(artifact / ADAPTER))
    except ValueError as error:
        raise ModelError(f"the adapter does not fit the model: {error}", where=str(artifact)) from None
    return model


def _whole(plan: Plan, artifact: Path) -> tuple[Any, Any]:
    shown = str(artifact)
    tokenizer = load_tokenizer(artifact, shown)
    options = _options(plan.precision.weights, plan.backend.build().device())
    return _headed(plan, load_model(artifact, shown, plan.strategy.spec.head, **options)), tokenizer


def whole_model(plan: Plan, folder: Path, dtype: str = "float32", device: str = "cpu") -> Any:
    """The model that a run has just written into a folder, under the head that the plan's strategy gave it."""
    model, _ = read_model(folder, plan.strategy.spec.head, **_options(dtype, device))
    return _headed(plan, model)


def _options(dtype: str, device: str) -> dict[str, Any]:
    import torch

    return {"dtype": getattr(torch, dtype), "device_map": {"": device}}


def _headed(plan: Plan, model: Any) -> Any:
    from ftcore.run.head import in_full_precision

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
