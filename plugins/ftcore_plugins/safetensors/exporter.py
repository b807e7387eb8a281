"""Writes the artifact of a run: what the method saves, and beside it what is needed to use it.

No pickle is written, and no path of this machine.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore_plugins.safetensors.card import model_card

if TYPE_CHECKING:
    from ftcore.run.session import Session

NAMES = ("base_model_name_or_path", "_name_or_path", "name_or_path")
"""Keys under which libraries write where a model was loaded from."""


class Safetensors:
    """
    >>> Safetensors().export(session, Path("model"))
    ['README.md', 'adapter_config.json', 'adapter_model.safetensors', …]
    """

    def export(self, session: Session, folder: Path) -> Sequence[str]:
        """Write into the empty `folder`; return the names of the files in order."""
        session.method.save(session.model, folder)
        session.tokenizer.save_pretrained(folder)
        _save_generation_config(session, folder)
        _name_the_base(session, folder)
        (folder / "README.md").write_text(model_card(session, folder), encoding="utf-8")
        return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def base_model(model: Any) -> Any:
    """The transformers model inside whatever a method's `attach` returned."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _save_generation_config(session: Session, folder: Path) -> None:
    """The model's own settings, with the token among its stops that ended every answer in training.

    A base model's end-of-text token is often not what a chat template ends turns with; without it answers run on.
    """
    from ftcore.run.generate import stop_tokens

    own = getattr(base_model(session.model), "generation_config", None)
    if own is None:
        return
    config = copy.deepcopy(own)
    template = getattr(session.plan.strategy.settings, "template", "auto")
    stops = stop_tokens(session.model, session.tokenizer, template)
    config.eos_token_id = stops[0] if len(stops) == 1 else stops
    if config.pad_token_id is None:
        config.pad_token_id = session.tokenizer.pad_token_id
    config.save_pretrained(folder)


def _name_the_base(session: Session, folder: Path) -> None:
    """Put the loader's name wherever a library wrote the folder that the model was read from."""
    name = session.loader.name()
    read_from = {str(getattr(base_model(session.model), "name_or_path", "")), str(session.tokenizer.name_or_path)} - {
        ""
    }
    for file in sorted(folder.glob("*.json")):
        if file.name == "tokenizer.json":
            continue  # megabytes of vocabulary, and no library writes a path into it
        old = json.loads(file.read_text(encoding="utf-8"))
        new = _renamed(old, read_from, name)
        if new != old:
            file.write_text(json.dumps(new, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _renamed(value: Any, read_from: set[str], name: str) -> Any:
    if isinstance(value, dict):
        return {
            key: name if key in NAMES and isinstance(inner, str) else _renamed(inner, read_from, name)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed(inner, read_from, name) for inner in value]
    return name if isinstance(value, str) and value in read_from else value
