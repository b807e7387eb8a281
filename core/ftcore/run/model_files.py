"""What can be said against a model folder by looking at its files, before torch or transformers is imported.

It reads names, JSON and the headers of safetensors files; it never reads weights and never unpickles.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftcore.errors import closest, did_you_mean
from ftcore.types import Finding

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
JSON_WITH_CODE = ("config.json", "tokenizer_config.json", "processor_config.json", "generation_config.json")
LFS_POINTER = b"version https://git-lfs"


def folder_findings(path: Path, shown: str, weights: bool = True) -> Iterator[Finding]:
    """Everything that keeps `path` from being loaded safely. `shown` is the path as the user wrote it.

    Without `weights` the weights are not looked at, for a folder that does not have them yet.
    """
    if not path.is_dir():
        yield _missing(path, shown)
    elif not (path / "config.json").is_file():
        yield _no_config(path, shown)
    else:
        yield from code_findings(path, shown)
        if (path / "adapter_config.json").is_file():
            # transformers would put the adapter on the model without a word.
            message = f"{shown} holds a model and an adapter (adapter_config.json), so it is not clear what to tune"
            yield Finding("error", message, f"fold the adapter in, or move it away: mv {shown}/adapter_* ..")
        if weights:
            yield from _weight_findings(path, shown)
        if not any((path / name).is_file() for name in TOKENIZER_FILES):
            yield Finding(
                "error",
                f"{shown} holds no tokenizer (looked for {', '.join(TOKENIZER_FILES[:3])})",
                "copy the tokenizer files of the original model into the folder",
            )


def _missing(path: Path, shown: str) -> Finding:
    if path.exists():
        return Finding("error", f"{shown} is a file, not a model folder", f"--model {Path(shown).parent.as_posix()}")
    parent = path.parent
    siblings = sorted(entry.name for entry in parent.iterdir() if entry.is_dir()) if parent.is_dir() else []
    where = "" if parent.is_dir() else f"; there is no {Path(shown).parent.as_posix()} either"
    near = closest(path.name, siblings)
    fix = shown.removesuffix("/").removesuffix(path.name) + near if near else "PATH/TO/FOLDER"
    message = f"there is no folder {shown}{did_you_mean(path.name, siblings)}{where}"
    return Finding("error", message, f"--model {fix}")


def _no_config(path: Path, shown: str) -> Finding:
    if (path / "adapter_config.json").is_file():
        if (path.parent / "run.yaml").is_file():
            run = Path(shown).parent.as_posix()
            return Finding("error", f"{shown} is the adapter of a run, not a model", f"--model {run}")
        base = read_json(path / "adapter_config.json").get("base_model_name_or_path")
        message = f"{shown} is an adapter, not a model; its base model is {base or 'not named in it'}"
        return Finding("error", message, f"--model {base}" if base else "--model BASE_MODEL")
    inside = sorted(file.parent.name for file in path.glob("*/config.json"))
    if inside:
        return Finding(
            "error", f"{shown} has no config.json, but {inside[0]} in it has", f"--model {shown}/{inside[0]}"
        )
    if runs := sorted(path.glob("*/run.yaml"), key=lambda file: file.stat().st_mtime):
        last = runs[-1].parent.name
        return Finding(
            "error", f"{shown} is no model; it holds runs, the last of them {last}", f"--model {shown}/{last}"
        )
    ggufs = sorted(file.name for file in path.glob("*.gguf"))
    if ggufs:
        return Finding("error", f"{shown} holds a GGUF file and no config.json", f"--model {shown}/{ggufs[0]}")
    return Finding("error", f"{shown} has no config.json, so it is no model folder", "--model PATH/TO/FOLDER")


def code_findings(path: Path, shown: str) -> Iterator[Finding]:
    """Keys that make transformers import or download Python code. ftcore has no switch for it."""
    for name in JSON_WITH_CODE:
        try:
            keys = sorted(set(code_keys(read_json(path / name))))
        except ValueError as error:
            yield Finding("error", f"{shown}/{name} is not valid JSON: {error}", "fetch the file again")
            continue
        if keys:
            yield Finding(
                "error",
                f"{shown} needs code from the model's author ({name}: {', '.join(keys)}); ftcore runs none",
                "choose a model whose architecture transformers itself has",
                unsafe=True,
            )


def code_keys(value: Any) -> Iterator[str]:
    """The keys, at any depth, whose values name code outside transformers."""
    if isinstance(value, list):
        for item in value:
            yield from code_keys(item)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        text = str(key)
        # A kernel on the hub is named OWNER/NAME in the place of `sdpa` or `eager`.
        from_hub = text.endswith("_implementation") and "/" in str(inner)
        if inner and (
            text in ("auto_map", "trust_remote_code") or text.endswith("_implementation_internal") or from_hub
        ):
            yield text
        yield from code_keys(inner)


def _weight_findings(path: Path, shown: str) -> Iterator[Finding]:
    weights = sorted(path.glob("*.safetensors"))
    index = path / "model.safetensors.index.json"
    if index.is_file():
        wanted = set(read_json(index).get("weight_map", {}).values())
        missing = sorted(wanted - {file.name for file in weights})
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            yield Finding(
                "error", f"{shown} lacks {missing[0]}{others}, which its index names", "fetch the missing files"
            )
    elif not weights:
        yield _no_safetensors(path, shown)
    for file in weights:
        problem = safetensors_problem(file)
        if problem:
            yield Finding("error", f"{shown}/{file.name} {problem[0]}", problem[1])


def _no_safetensors(path: Path, shown: str) -> Finding:
    pickles = sorted(file.name for pattern in PICKLES for file in path.glob(pattern))
    if not pickles:
        return Finding("error", f"{shown} holds no weights (no *.safetensors)", "fetch the weights into the folder")
    # Reading a pickle can run any code, so there is no flag for it; safetensors holds numbers only.
    return Finding(
        "error",
        f"{shown} holds its weights only as a pickle ({pickles[0]}), which can run code when read; ftcore reads none",
        'if you trust it: python -c "from transformers import AutoModelForCausalLM as M; '
        f"M.from_pretrained('{shown}').save_pretrained('{shown.rstrip('/')}-safe')\"",
        unsafe=True,
    )


def safetensors_problem(file: Path) -> tuple[str, str] | None:
    """What is wrong with a safetensors file and what to do, judged by its header and its length; None if it is whole.

    The format (https://github.com/huggingface/safetensors#format): 8 bytes with the header's length N, little endian,
    N bytes of JSON with the `data_offsets` of each tensor, then the data.
    """
    size = os.path.getsize(file)
    with file.open("rb") as stream:
        head = stream.read(max(8, len(LFS_POINTER)))
        if head.startswith(LFS_POINTER):
            return "is a git-lfs pointer, not the weights", "git lfs pull"
        length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else size
        if size < 8 + length:
            return "is cut short", "fetch the file again"
        stream.seek(8)
        try:
            header = json.loads(stream.read(length))
        except ValueError:
            return "is no safetensors file", "fetch the file again"
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if size < 8 + length + max(ends, default=0):
        return "is cut short", "fetch the file again"
    return None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file, or an empty one if there is no such file. Raises ValueError for anything else."""
    if not file.is_file():
        return {}
    value = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
