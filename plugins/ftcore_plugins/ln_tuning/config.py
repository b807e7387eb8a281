"""Settings of LayerNorm tuning."""

from __future__ import annotations

from ftcore.settings import Settings
from ftcore_plugins.peft_base.config import ChosenNorms


class LnTuningConfig(Settings):
    """Each chosen norm is copied; the copy trains and answers in its place."""

    targets: ChosenNorms = "auto"
    """Norms that train: `auto` (all of them), or a list of names such as `input_layernorm,norm`, each of which may be a
    regular expression for the norm's whole path."""
