"""An adapter folded into its base model, and proof that nothing changed by it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ftcore.errors import ModelError, UsageError
from ftcore.manager import PluginManager
from ftcore.protocols import MergeableMethod
from ftcore.run.finished import plan_of
from ftcore.run.folder import anew, follow_umask, manifest, read_json, writable, write_json
from ftcore.run.reload import Tuned, reload
from ftcore.specs import MethodSpec

TOLERANCE = 1e-3
"""Largest difference of a logit between the merged and the unmerged model, in float32."""


def merge(folder: Path, target: Path, manager: PluginManager, dtype: str = "float32") -> float:
    """Write the merged model of the run in `folder` to `target`; return the largest difference of a logit.

    Raises UsageError when the method cannot merge or there is nothing to merge, ModelError when the result
    differs, PluginError when what was written is not read as it was.
    """
    must_be_mergeable(plan_of(folder, manager).method.spec, folder)
    import torch

    from ftcore.run.proof import answers_of, must_be_read_as

    precision = getattr(torch, dtype, None)
    if not isinstance(precision, torch.dtype) or not precision.is_floating_point:
        raise UsageError(f"there is no dtype {dtype!r}", fix="--dtype float32")
    tuned = reload(folder, manager, dtype="float32")
    assert isinstance(tuned.method, MergeableMethod)
    _must_be_its_base(tuned, folder)
    expected = answers_of(tuned.model, tuned.tokenizer)
    with torch.no_grad():
        merged = tuned.method.merge(tuned.model)
    difference = float((answers_of(merged, tuned.tokenizer) - expected).abs().max())
    if not difference <= TOLERANCE:
        raise ModelError(f"the merged model differs from the adapter by {difference:.2g}; nothing was written")
    with writable(target):
        merged.to(precision).save_pretrained(target)
        tuned.tokenizer.save_pretrained(target)
        follow_umask(target)
        write_json(target / "MANIFEST.json", {"files": manifest(target)})
    try:
        must_be_read_as(merged, tuned.plan, target)
    except (ValueError, OSError) as error:
        shutil.rmtree(target)
        what = f"merges into a model that is not read from disk as it was: {error}"
        raise tuned.plan.method.fault(what, tuned.method.merge, "MethodSpec(mergeable=False, …)") from error
    return difference


def must_be_mergeable(spec: MethodSpec, folder: Path) -> None:
    """Raise UsageError where what the run in `folder` has learned cannot be folded into its base model."""
    if spec.artifact == "model":
        raise UsageError(
            f"there is nothing to merge: the result of {spec.name!r} is a whole model already",
            where=str(folder),
            fix=f"ls {folder / 'model'}",
        )
    if not spec.mergeable:
        raise UsageError(
            f"what the method {spec.name!r} learns cannot be folded into the base model",
            where=str(folder),
            fix=f"use it beside its base: ftcore chat {folder}",
        )


def _must_be_its_base(tuned: Tuned, folder: Path) -> None:
    """Raise ModelError when the base model is no longer that of the run: the shapes would fit, the weights not."""
    loader = tuned.plan.model.build()
    if loader.fingerprint() != read_json(folder / "lock.json").get("model"):
        raise ModelError(
            "the base model has changed since the run, so the adapter no longer belongs to it",
            where=loader.name(),
            fix=f"train it anew: {anew(folder)}",
        )
