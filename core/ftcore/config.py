"""The core's own sections of a run file: `train`, `evaluate` and `checkpoints`, and what every data entry may say.

Everything else in a run file belongs to the component that it names.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ftcore.settings import KnownAs, Settings


def _is_positive_or_share(value: float | int) -> float | int:
    if value < 0 or (value >= 1 and value != int(value)):
        raise ValueError("a share below 1 (0.1 is a tenth) or a whole number of rows")
    return value


class TrainSettings(Settings):
    """How long and how hard to train. What is left out is chosen by the method, the strategy and the data."""

    epochs: Annotated[float, Field(gt=0), KnownAs("num_train_epochs", "num_epochs")] = 1.0
    """Passes over the training rows."""

    steps: Annotated[int | None, Field(gt=0), KnownAs("max_steps")] = None
    """Stop after this many optimizer steps, whatever `epochs` says."""

    batch_size: Annotated[int, Field(gt=0), KnownAs("gradient_accumulation_steps", alike=False)] = 8
    """Examples to an optimizer step."""

    micro_batch_size: Annotated[int | None, Field(gt=0), KnownAs("per_device_train_batch_size")] = None
    """Examples in memory at once; a divisor of `batch_size`. Smaller needs less memory and gives the same result.
    Left out: the whole batch."""

    learning_rate: Annotated[float | None, Field(gt=0), KnownAs("lr")] = None
    """Peak learning rate. Left out: what suits the method and the strategy."""

    scheduler: Annotated[
        Literal["linear", "cosine", "constant", "constant_with_warmup", "cosine_with_restarts", "polynomial",
                "inverse_sqrt"],
        KnownAs("lr_scheduler", "lr_scheduler_type"),
    ] = "cosine"  # fmt: skip
    """How the learning rate goes from its peak to the end."""

    warmup: Annotated[float, Field(ge=0, lt=1), KnownAs("warmup_ratio"), KnownAs("warmup_steps", alike=False)] = 0.05
    """Share of the steps in which the learning rate rises to its peak."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the weights toward zero (AdamW)."""

    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Gradients are scaled down to this norm; 0 leaves them."""

    optimizer: Annotated[str, KnownAs("optim")] = "adamw_torch"
    """Any of transformers' optimizer names."""

    max_length: Annotated[
        int, Field(gt=0), KnownAs("max_seq_length", "max_seq_len", "cutoff_len", "sequence_len", "model_max_length")
    ] = 1024
    """Tokens to a row; what is longer is cut at the end, and counted."""

    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: less memory, about a quarter more time."""

    seed: Annotated[int, Field(ge=0)] = 42
    """Everything that is drawn at random follows from it."""


class EvaluateSettings(Settings):
    """What is held out, and how the model is compared before and after."""

    holdout: Annotated[
        float, Field(ge=0), AfterValidator(_is_positive_or_share), KnownAs("val_size", "val_set_size")
    ] = 0.1
    """Rows kept from training to judge by: a share below 1, or a number of rows. Equal rows stay on one side.
    A source that brings its own held-out part is not split again."""

    limit: Annotated[int, Field(gt=0)] = 200
    """At most this many held-out rows are used for the loss."""

    generate: Annotated[int, Field(ge=0)] = 32
    """At most this many held-out prompts are answered by the model, before and after."""

    max_new_tokens: Annotated[int, Field(gt=0)] = 128
    """Longest answer in tokens."""

    every: Annotated[int | None, Field(gt=0), KnownAs("eval_steps")] = None
    """Evaluate also after every so many steps."""

    before: bool = True
    """Judge the untuned model too, so that the gain can be seen."""


class CheckpointSettings(Settings):
    """What a run leaves on disk to go on from."""

    every: Annotated[int, Field(gt=0), KnownAs("save_steps")] = 100
    """Steps between two checkpoints."""

    keep: Annotated[int, Field(gt=0), KnownAs("save_total_limit")] = 2
    """Newest checkpoints that are kept."""


class DataSettings(Settings):
    """What every entry under `data` may say, besides the settings of its source."""

    format: str = "auto"
    """What a row means: the name of a format, or `auto` to recognise it by the columns."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Where a format finds its columns: `{prompt: question, completion: answer}`. A value is a column, a path such as
    `answers.0.text`, or a template such as `{title}: {body}` (`{{` and `}}` are braces)."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often the source counts: 2 shows every row twice an epoch, 0.5 draws half of the rows."""

    unroll: bool = True
    """Learn an earlier turn of a conversation in a row of its own where the chat template shows it otherwise once
    others follow, as templates that drop earlier thinking do. If not, such turns are not learned."""

    limit: Annotated[int | None, Field(gt=0), KnownAs("max_samples")] = None
    """Read at most this many rows."""

    bad_rows: Literal["stop", "drop"] = "stop"
    """What to do about rows that cannot be used: stop and name them, or drop them into quarantine.jsonl."""


class RewardSettings(Settings):
    """What every entry under `rewards` may say, besides the settings of its function."""

    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """How much the function counts: an answer's reward is the sum of all scores, each times its weight."""


SECTIONS: dict[str, type[Settings]] = {
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "checkpoints": CheckpointSettings,
}

ENTRIES: dict[str, type[Settings]] = {"data": DataSettings, "rewards": RewardSettings}
"""What the core itself reads of an entry, by the axis under which it stands."""


def split_entry(axis: str, entry: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part one entry under `data` or `rewards` into what the core reads and what belongs to its component."""
    ours = {key: value for key, value in entry.items() if key in ENTRIES[axis].model_fields}
    return ours, {key: value for key, value in entry.items() if key not in ours}
