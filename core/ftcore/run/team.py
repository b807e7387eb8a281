"""The processes that compute a run together: one, unless a backend launches more. What is done once, the first does.

It stands on torch.distributed, which the backend has initialised; with one process it does nothing at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ftcore.errors import FtcoreError, from_record

T = TypeVar("T")


def size() -> int:
    """How many processes compute the run."""
    group = _group()
    return group.get_world_size() if group else 1


def rank() -> int:
    """Which of them this is, from 0."""
    group = _group()
    return group.get_rank() if group else 0


def every(value: T) -> list[T]:
    """The value of each process, in the order of ranks. All must call it."""
    values: list[Any] = [value] * size()
    if len(values) > 1:
        _group().all_gather_object(values, value)
    return values


def by_first(work: Callable[[], T]) -> T:
    """What the first process makes of `work`, given to all, while the others wait; an error is raised in all alike.

    All must call it. Inside, libraries take the first process for the only one, so nothing there waits for others.
    """
    if size() == 1:
        return work()
    answer: list[Any] = [None, None]
    if rank() == 0:
        try:
            with _alone():
                answer[0] = work()
        except FtcoreError as error:
            answer[1] = error.record()
    _group().broadcast_object_list(answer)
    if answer[1] is not None:
        raise from_record(answer[1])
    found: T = answer[0]
    return found


def is_echo(error: BaseException) -> bool:
    """Whether the error says no more than that another process is gone."""
    group = _group()
    return bool(group) and (isinstance(error, group.DistError) or "/gloo/" in str(error))


def _group() -> Any:
    """torch.distributed where it is in use. Whoever launches processes has imported it; nobody else pays for that."""
    module = sys.modules.get("torch.distributed")
    return module if module and module.is_available() and module.is_initialized() else None


@contextmanager
def _alone() -> Iterator[None]:
    """Every trainer asks accelerate whether there are others, to share rows with and to gather numbers from."""
    from accelerate.state import AcceleratorState, DistributedType, PartialState

    states = [state for state in (PartialState._shared_state, AcceleratorState._shared_state) if state]
    before = [dict(state) for state in states]
    for state in states:
        state.update(distributed_type=DistributedType.NO, num_processes=1, process_index=0)
    try:
        yield
    finally:
        for state, old in zip(states, before, strict=True):
            state.update(old)
