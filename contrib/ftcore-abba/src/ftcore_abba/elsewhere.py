"""Folds an ABBA adapter that ftcore trained into its base model, without ftcore."""

import json
from pathlib import Path

from safetensors.torch import load_file


def load_abba(model, folder):
    scale = json.loads((Path(folder) / "abba_config.json").read_text())["scale"]
    tensors = load_file(Path(folder) / "adapter_model.safetensors", device=str(model.device))
    for path in {name.rpartition(".abba.")[0] for name in tensors}:
        B1, A1, B2, A2 = (tensors[f"{path}.abba.{part}"] for part in ("B1", "A1", "B2", "A2"))
        layer, delta = model.get_submodule(path), scale * (B1 @ A1) * (B2 @ A2)
        layer.weight.data += delta.T if type(layer).__name__ == "Conv1D" else delta
    return model
