"""Every method on real rows with the demo's model: what it gains, what it costs, and whether its artifact holds it.

    python benchmarks/methods.py OUT --data alpaca.json --data gsm8k.jsonl --steps 20 > table.md

Runs one after the other, so that each has the machine to itself. The artifact is read back by plain transformers and
peft, without ftcore, and merged.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.test_real_model import RATE, plain_reload, probe

HEADER = (
    "data", "method", "trains", "held-out loss before", "after", "s a step", "tokens/s", "peak GB", "artifact MB",
    "reload", "merge",
)  # fmt: skip


def ftcore(*arguments: object) -> Any:
    """A command in a process of its own, as a user runs it."""
    line = [sys.executable, "-m", "ftcore", *map(str, arguments)]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def row(out: Path, data: Path, method: str, steps: int) -> tuple[str, ...]:
    folder = out / f"{data.stem}-{method}"
    ftcore(
        "run", "--method", method, "--data", data, "--out", folder, "--train.steps", steps, "--json", "--evaluators",
        "loss", "--evaluate.limit", 32, "--train.learning_rate", RATE[method], "--train.max_length", 512,
    )  # fmt: skip
    report = json.loads((folder / "report.json").read_text())
    facts, training = report["facts"], report["training"]
    is_adapter = report["artifact"]["kind"] == "adapter"
    merged = f"{ftcore('merge', folder, '--json')['largest_difference']:.1e}" if is_adapter else "whole already"
    return (
        data.stem,
        method,
        f"{facts['trainable_parameters'] / facts['total_parameters']:.1%}",
        f"{report['before']['loss']['loss']:.3f}",
        f"{report['after']['loss']['loss']:.3f}",
        f"{training['seconds'] / training['steps']:.1f}",
        f"{training['tokens_per_second']:.0f}",
        f"{training['peak_memory_bytes'] / 1e9:.1f}",
        f"{sum(file['bytes'] for file in report['artifact']['files']) / 1e6:.0f}",
        f"{reload_difference(folder, method):.1e}",
        merged,
    )


def reload_difference(folder: Path, method: str) -> float:
    """Largest difference of a logit between ftcore's model and the one that plain libraries load, in float32."""
    from transformers import AutoTokenizer

    from ftcore.manager import PluginManager
    from ftcore.run.reload import reload

    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ours = probe(reload(folder, PluginManager.discover(), dtype="float32").model, tokenizer)
    return float((probe(plain_reload(method, folder / "model"), tokenizer) - ours).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    write("| " + " | ".join(HEADER) + " |")
    write("|" + "---|" * len(HEADER))
    for data in arguments.data:
        for method in RATE:
            write("| " + " | ".join(row(arguments.out, data, method, arguments.steps)) + " |")


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
