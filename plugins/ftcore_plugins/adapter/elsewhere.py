"""Puts a bottleneck adapter that ftcore trained onto its base model, without ftcore."""

import json
from functools import partial
from pathlib import Path

from safetensors.torch import load_file
from torch.nn import functional

PARTS = ("down.weight", "down.bias", "up.weight", "up.bias", "scale")


def load_adapter(model, folder):
    config = json.loads((Path(folder) / "bottleneck_config.json").read_text())
    tensors = load_file(Path(folder) / "adapter_model.safetensors", device=str(model.device))

    def add(place, _, inputs, output):
        down, down_bias, up, up_bias, scale = (tensors[f"{place}.adapter.{part}"] for part in PARTS)
        hidden = output[0] if isinstance(output, tuple) else output
        x = inputs[0] if config["variant"] == "parallel" else hidden
        narrow = getattr(functional, config["nonlinearity"])(functional.linear(x.float(), down, down_bias))
        hidden = (hidden + scale * functional.linear(narrow, up, up_bias)).to(hidden.dtype)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    for place in config["places"]:
        model.get_submodule(place).register_forward_hook(partial(add, place))
    model.load_state_dict(tensors, strict=False)  # the head, where a classifier was trained
    return model
