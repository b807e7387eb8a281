"""The one way in which a model or a tokenizer is read from a folder: looked at first, then read whole or not at all.

Base models, artifacts of runs, reward models and what loaders have unpacked all come through here. It reads safetensors
and JSON, and runs nobody's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import ModelError, PolicyError
from ftcore.loading.words import few
from ftcore.run.model_files import code_findings, folder_findings
from ftcore.types import Finding

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def refuse(findings: Iterable[Finding], shown: str) -> None:
    """Raise the first error among the findings: PolicyError for what is unsafe, else ModelError."""
    for finding in findings:
        if finding.level == "error":
            kind = PolicyError if finding.unsafe else ModelError
            raise kind(finding.message, where=shown if shown not in finding.message else None, fix=finding.fix)


def load_tokenizer(path: Path, shown: str) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, which `shown` is what the user calls. Raises PolicyError or ModelError."""
    refuse(code_findings(path, shown), shown)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the tokenizer does not load: {error}", where=shown) from error


def load_model(path: Path, shown: str, head: str = "lm", **options: Any) -> PreTrainedModel:
    """The model in a folder, in evaluation mode, with `options` handed on to `from_pretrained`.

    Raises PolicyError or ModelError for a folder that has an error finding, so that nothing unsafe is read even when
    nobody asked for the findings before, for weights that are not all there, and for what transformers cannot read.
    """
    refuse(folder_findings(path, shown), shown)
    try:
        model, info = read_model(path, head, **options)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"the model does not load: {error}", where=shown) from error
    require_whole(info, shown)
    return model


def read_model(path: Path, head: str = "lm", **options: Any) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """The same, unasked and unguarded, for a folder that has just been written here; with what was not read of it.

    Raises whatever transformers raises.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind: Any = AutoModelForSequenceClassification if head == "score" else AutoModelForCausalLM
    read: tuple[PreTrainedModel, Mapping[str, Any]] = kind.from_pretrained(
        path, trust_remote_code=False, use_safetensors=True, output_loading_info=True, **options
    )
    return read


def require_whole(info: Mapping[str, Any], shown: str) -> None:
    """Raise ModelError where transformers would have drawn weights at random, or left some unread.

    `info` is what `from_pretrained(output_loading_info=True)` gives beside the model. Weights that are tied to others
    are in neither list.
    """
    missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    if missing or unexpected:
        lists = {"not there": missing, "there, and unknown to the architecture": unexpected}
        raise ModelError(
            "the weights are not those of the architecture that config.json names",
            where=shown,
            more=[f"{title}: {few(names)}" for title, names in lists.items() if names],
            fix="fetch the model again, with the config.json that belongs to it",
        )
