"""A finished run as one row of a comparison, from its report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.errors import UsageError, did_you_mean
from ftcore.run.folder import read_json
from ftcore_plugins.metrics.comparison import Change, changes

Key = tuple[str, str]
"""An evaluator and one of its metrics."""

OWN_LOSS = "and a loss is the strategy's own, so losses are not compared"


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run. What its report does not say is None."""

    name: str
    folder: Path
    report: Mapping[str, Any]
    lock: Mapping[str, Any]

    @property
    def scores(self) -> dict[Key, Change]:
        """Every metric before and after; percentages first."""
        return {(change.evaluator, change.metric): change for change in changes(self.report)}

    @property
    def objective(self) -> tuple[Any, Any]:
        """The strategy and its `loss`, where it has several: what the loss means."""
        strategy = self._get("plan", "strategy") or {}
        return strategy.get("name"), strategy.get("loss")

    @property
    def trainable(self) -> int | None:
        return self._get("facts", "trainable_parameters")

    @property
    def total(self) -> int | None:
        return self._get("facts", "total_parameters")

    @property
    def memory(self) -> int | None:
        """Bytes that the run's process held at the peak, until training ended."""
        return self._get("training", "peak_memory_bytes")

    @property
    def seconds(self) -> float | None:
        """Seconds of training steps, without loading and judging."""
        return self._get("training", "seconds")

    @property
    def speed(self) -> float | None:
        """Tokens a second in training."""
        return self._get("training", "tokens_per_second")

    @property
    def steps(self) -> int | None:
        return self._get("training", "steps")

    @property
    def tokens(self) -> int | None:
        """Tokens seen in training, repeated ones each time."""
        return round(self.speed * self.seconds) if self.speed and self.seconds else None

    @property
    def learning_rate(self) -> float | None:
        return self._get("facts", "learning_rate")

    @property
    def kind(self) -> str | None:
        """What the artifact is: `adapter`, or `model`."""
        return self._get("artifact", "kind")

    @property
    def is_whole(self) -> bool:
        """The artifact is a whole model, which stands alone."""
        return self.kind == "model"

    @property
    def bytes(self) -> int:
        """Size of all files of the artifact."""
        return sum(file["bytes"] for file in self._get("artifact", "files") or ())

    @property
    def is_resumed(self) -> bool:
        """The memory is that of its last process only."""
        return bool(self._get("facts", "start_step"))

    def _get(self, section: str, key: str) -> Any:
        return (self.report.get(section) or {}).get(key)


def read(folder: Path, name: str) -> Result:
    """Raises UsageError where no run has finished, ModelError where its files are damaged."""
    if not (folder / "report.json").is_file():
        begun = (folder / "run.yaml").is_file()
        what = "the run is not finished" if begun else "there is no finished run here"
        raise UsageError(what, where=str(folder), fix=f"ftcore resume {folder}" if begun else "ftcore run --out DIR")
    return Result(name, folder, read_json(folder / "report.json"), read_json(folder / "lock.json"))


def main_metric(measured: Sequence[Collection[Key]], wanted: str | None, one_objective: bool = True) -> Key:
    """The metric to compare by, of those measured of each run: the one that is wanted, else the loss, else the first.

    Runs of more than one objective are not compared by the evaluator `loss`, which gives each strategy's own: what all
    of them have goes first then. Raises UsageError.
    """
    keys = list(dict.fromkeys(key for run in measured for key in run))
    said = []
    if not one_objective:
        keys = [key for key in keys if key[0] != "loss"]
        keys.sort(key=lambda key: not all(key in run for run in measured))
        said = [f"the objectives differ, {OWN_LOSS}"]
    if not keys:
        raise UsageError(
            "nothing measures how good the model is, so there is nothing to compare by",
            fix="--evaluators loss" if one_objective else "--evaluators preference",
            more=said,
        )
    if wanted is None:
        return next((key for key in keys if key[1] == "loss"), keys[0])
    plain = wanted.replace("-", "_")
    for evaluator, metric in keys:
        if plain in (metric, f"{evaluator}.{metric}".replace("-", "_")):
            return evaluator, metric
    names = [metric for _, metric in keys]
    raise UsageError(
        f"no evaluator of these runs measures {wanted!r}{did_you_mean(plain, names)}",
        where="--metric",
        fix=f"--metric {names[0]}",
        more=[f"measured: {', '.join(names)}", *said],
    )
