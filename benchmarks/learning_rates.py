"""Looks for each method's learning rate: up and down by factors of three until the held-out loss gets worse.

    python benchmarks/learning_rates.py OUT --data alpaca.json --steps 16 --methods ia3,adapter > table.md

Every run sees the same rows in the same order. It starts from the method's own default, so a table whose best column is
`default` confirms it. A run that diverges counts as infinitely bad. Runs that stand in OUT already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from ftcore.cli.main import main as ftcore
from ftcore.line import options
from ftcore.manager import PluginManager

FACTOR = 3.0


def loss(out: Path, data: Path, method: str, rate: float, steps: int) -> float:
    """Held-out loss after training; of the untuned model when the rate is 0."""
    folder = out / f"{method}-{rate:.2g}"
    if not (folder / "report.json").is_file():
        before = ["--evaluate.before"] if rate == 0 else ["--no-evaluate.before"]
        code = ftcore(
            [
                "run", "--method", method, "--data", str(data), "--out", str(folder), "--evaluators", "loss",
                "--evaluate.holdout", "12", "--train.steps", str(1 if rate == 0 else steps), "--train.batch_size", "4",
                "--train.max_length", "128", "--train.learning_rate", f"{rate or 1e-9:.2g}", "--reporters", "metrics",
                *before,
            ]
        )  # fmt: skip
        if code == 6:  # it diverged
            return math.inf
        if code:
            raise SystemExit(f"{method} at {rate:g} ended with {code}")
    report = json.loads((folder / "report.json").read_text())
    return float(report["before" if rate == 0 else "after"]["loss"]["loss"])


def search(out: Path, data: Path, method: str, steps: int, most: int) -> dict[float, float]:
    """Losses by learning rate, around the best one, from at most so many runs."""
    spec = PluginManager.discover().find("method", method).spec
    start = float(spec.defaults["learning_rate"])
    found = {start: loss(out, data, method, start, steps)}
    for direction in (FACTOR, 1 / FACTOR):
        rate, best = start, found[start]
        while len(found) < most:
            rate *= direction
            found[rate] = loss(out, data, method, rate, steps)
            if found[rate] >= best:
                break
            best = found[rate]
        if best < found[start]:
            break
    return dict(sorted(found.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--methods", required=True)
    parser.add_argument("--most", type=int, default=4, help="runs for one method")
    given = parser.parse_args()
    options.__init__()  # type: ignore[misc]
    untuned = loss(given.out, given.data, "lora", 0, given.steps)
    print(f"Held-out loss of the untuned model: {untuned:.3f}. Bold is the default, ★ the best found.\n", flush=True)  # noqa: T201
    print("| method | held-out loss by learning rate |\n|---|---|", flush=True)  # noqa: T201
    for method in given.methods.split(","):
        found = search(given.out, given.data, method, given.steps, given.most)
        default = PluginManager.discover().find("method", method).spec.defaults["learning_rate"]
        best = min(found, key=found.__getitem__)
        cells = [
            (f"**{rate:.2g}**" if rate == default else f"{rate:.2g}")
            + f": {value:.3f}"
            + (" ★" if rate == best else "")
            for rate, value in found.items()
        ]
        print(f"| {method} | {', '.join(cells)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
