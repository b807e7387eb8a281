"""Settings of Ray Train as a backend."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import Settings


class RayConfig(Settings):
    """How many workers, what each of them gets, and where they are."""

    workers: Annotated[int, Field(gt=0)] = 2
    """Processes that train together. Each takes an equal share of `train.batch_size`."""

    cpus_per_worker: Annotated[int, Field(gt=0)] = 1
    """Processors of each worker."""

    use_gpu: bool = False
    """Give each worker a GPU of its own."""

    resources: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """What else each worker takes of the cluster, by the names that it was started with: `rack_a=1`."""

    address: str | None = None
    """The Ray cluster to run on: `auto` for the one that this machine belongs to, or `HOST:PORT`. Left out: a Ray
    of its own, on this machine, for as long as the run takes."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """In what the matrices are multiplied; `auto` is bf16 on GPUs and fp32 on processors."""
