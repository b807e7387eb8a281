"""Settings of (IA)³."""

from __future__ import annotations

from ftcore.settings import Settings
from ftcore_plugins.peft_base.config import ChosenTargets


class Ia3Config(Settings):
    """Each chosen layer of an attention answers l ⊙ (W·x), each other one W·(l ⊙ x), where l starts at one."""

    targets: ChosenTargets = "auto"
    """Layers that get factors: `auto` (keys, values and the layer that ends the MLP, as in the paper), `all-linear`
    (every linear layer but the head), or a list of names such as `k_proj,v_proj,down_proj`, each of which may be a
    regular expression for the layer's whole path."""
