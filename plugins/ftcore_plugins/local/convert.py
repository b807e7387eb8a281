"""Unpacks a GGUF file into a folder as transformers saves it, and puts right what GGUF does not carry over.

Only the language model is read; the result is plain weights, so every tuning method can work on it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import FtcoreError, ModelError, ResourceError
from ftcore.run.model_folder import require_whole

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

VERSION = 1
"""Part of the cache's key: raise it when the folder comes out differently."""


def convert(gguf: Path, folder: Path) -> None:
    """Write model and tokenizer of a GGUF file into the empty `folder`. Raises ModelError for a file it cannot read."""
    facts = read_facts(gguf)
    with tempfile.TemporaryDirectory(prefix="ftcore-gguf-") as empty:
        alone = _alone(gguf, Path(empty))
        try:
            tokenizer = _tokenizer(alone, facts)
            model = _model(alone, facts)
        except FtcoreError:
            raise
        except Exception as error:  # the parsers raise anything for a damaged file, tokenizers a bare Exception
            raise ModelError(f"transformers cannot read this GGUF file: {error}", where=gguf.name) from error
    tokenizer.model_max_length = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _alone(gguf: Path, empty: Path) -> Path:
    """The file in a folder of its own: transformers would also read a config, template or adapter beside it."""
    link = empty / "model.gguf"
    try:
        link.symlink_to(gguf.resolve())
    except OSError:  # Windows, without the right to make links
        shutil.copyfile(gguf, link)
    return link


def read_facts(gguf: Path) -> dict[str, Any]:
    """What the conversion needs of the file's header: its architecture, tokenizer's flavour and the weights' type."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise ResourceError("the package gguf is not installed", fix="python -P -m pip install gguf") from error
    try:
        reader = GGUFReader(gguf)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"this is no GGUF file, or it is cut short: {error}", where=gguf.name) from error
    flavour = reader.fields.get("tokenizer.ggml.pre")
    matrices = [tensor for tensor in reader.tensors if len(tensor.shape) > 1]
    largest = max(matrices, key=lambda tensor: int(tensor.n_elements), default=None)
    return {
        "tokenizer.ggml.pre": flavour.contents() if flavour else None,
        "weights": largest.tensor_type.name if largest else None,
    }


def _model(gguf: Path, facts: dict[str, Any]) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    # Unpacked four to eight bit weights are far coarser than bfloat16, so two bytes lose nothing that matters.
    dtype = {"F32": torch.float32, "F16": torch.float16}.get(facts["weights"] or "", torch.bfloat16)
    model, info = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=dtype,
        trust_remote_code=False,
        output_loading_info=True,
        **_unpacked(),
    )
    require_whole(info, gguf.name)
    # Without both, save_pretrained refuses, or the copy would claim to be quantised still.
    for owner, attribute in ((model.config, "quantization_config"), (model, "hf_quantizer")):
        if hasattr(owner, attribute):
            delattr(owner, attribute)
    _tidy(model.config)
    return model


def _unpacked() -> dict[str, Any]:
    """Newer transformers can keep weights in GGUF's own blocks, which cannot be trained or saved."""
    try:
        from transformers import GgufConfig
    except ImportError:
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def _tidy(config: Any) -> None:
    # GGUF holds 1e-5 as a float32, which reads as 9.999999747378752e-06 and is saved so.
    for name in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"):
        if isinstance(getattr(config, name, None), float):
            setattr(config, name, float(f"{getattr(config, name):.6g}"))
    if hasattr(config, "_model_name_or_path"):
        del config._model_name_or_path


def _tokenizer(gguf: Path, facts: dict[str, Any]) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    if facts["tokenizer.ggml.pre"] == "smollm":
        _split_digits(tokenizer)
    return tokenizer


def _split_digits(tokenizer: PreTrainedTokenizerBase) -> None:
    """SmolLM cuts numbers digit by digit before it merges bytes; transformers leaves this step out for GGUF files."""
    from tokenizers import pre_tokenizers

    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
